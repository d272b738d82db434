/* A file whose coding its first bytes tell, in two content codings. */
#define FUZZ_SEVERAL_FAULTS
#include "fuzz_decode.h"

FUZZ_DECODER(.codings = {DECODE_GZIP, DECODE_DEFLATE}, .coding_count = 2, .file = DECODE_FILE_AUTO)
