/* A file of any coding, or of none; several streams one after the other. */
#include "fuzz_decode.h"

FUZZ_DECODER(.file = DECODE_FILE_AUTO)
