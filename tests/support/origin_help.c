#include "support/origin.h"
#include "support/origin_request.h"

void origin_help(FILE *out)
{
    fputs(
        "\nPaths (a size may end in K, M or G)\n"
        "    /bytes?n=N      N bytes; the one at offset o is\n"
        "                    (o + (o>>8)*31 + (o>>16)*57 + (o>>24)*101) & 255\n"
        "    /zeros?n=N      N zero bytes\n"
        "    /lines?n=N      \"line 1\" to \"line N\"\n"
        "    /csv?n=N        a header (id,name,note), then N rows with quotes\n"
        "    /ndjson?n=N     N objects, one a line\n"
        "    /text?text=T    T\n"
        "    /file/PATH      a file below --root\n"
        "    /echo           the body of the request\n"
        "    /request        the head of the request, as it came\n"
        "    /silence        never answers\n"
        "    /_stats         the counters as JSON\n"
        "    /_release?name=NAME    lets hold=NAME go on, now and later\n"
        "    /_unasked?name=WHAT    sends to every idle connection what nobody asked for: a whole\n"
        "                    answer (answer), a 408 and an end (408), or an end (end)\n"
        "\nParameters (they compose; what is marked * is a fault, which first=N limits)\n",
        out);
    request_help(out);
}
