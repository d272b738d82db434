/* Packets of a capture file by libpcap, which takes the FILE over and closes it. */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include <penstock/parser.h>

static int emit_packet(struct penstock_run *run, const struct pcap_pkthdr *h)
{
    char record[128];
    int len = snprintf(record, sizeof record, "{\"time\":%ld.%06ld,\"length\":%u}",
                       (long)h->ts.tv_sec, (long)h->ts.tv_usec, h->len);
    return run->emit(run, record, (size_t)len);
}

static int parse(FILE *body, struct penstock_run *run)
{
    char why[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *data;
    uint64_t least = strtoull(run->option(run, "least"), NULL, 10);
    int r;
    pcap_t *p = pcap_fopen_offline(body, why);
    if (!p)
        return run->fail(run, 0, PENSTOCK_NO_OFFSET, why);
    while ((r = pcap_next_ex(p, &header, &data)) == 1)
        if (header->len >= least && emit_packet(run, header) < 0)
            break;
    if (r == PCAP_ERROR)
        run->fail(run, 0, PENSTOCK_NO_OFFSET, pcap_geterr(p));
    pcap_close(p); /* and the FILE with it */
    return r == PCAP_ERROR_BREAK ? PENSTOCK_OK : PENSTOCK_FAILED;
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    char *end;
    const char *least = get(arg, "least");
    strtoull(least, &end, 10);
    if (*least && !*end)
        return 0;
    snprintf(message, size, "least: '%s' is not a number of bytes", least);
    return 1;
}

static const struct penstock_option options[] = {
    {"least", "0", "only packets of at least so many bytes"},
    {NULL, NULL, NULL},
};

const struct penstock_parser penstock_plugin = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "pcap",
    .summary = "a record for each packet of a capture file",
    .options = options,
    .check = check,
    .parse = parse,
};
