#include "fuzz_decode.h"

FUZZ_DECODER(.codings = {DECODE_BROTLI}, .coding_count = 1)
