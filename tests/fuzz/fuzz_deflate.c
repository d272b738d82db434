#include "fuzz_decode.h"

FUZZ_DECODER(.codings = {DECODE_DEFLATE}, .coding_count = 1)
