#include "fuzz_decode.h"

FUZZ_DECODER(.file = DECODE_FILE_GZIP)
