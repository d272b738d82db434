/* The frames of one HTTP/2 connection as its peer sends them (RFC 9113, 4.1), looked at beside
 * libcurl, which does not tell what its word of success rests on: before 8.1 it takes any end of a
 * stream for the body's, also a reset without an error and what follows from a connection's error.
 * No more is read of a frame than its header. */
#ifndef PENSTOCK_FETCH_FRAMES_H
#define PENSTOCK_FETCH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMES_HEADER 9

struct frames {
    uint8_t header[FRAMES_HEADER];
    unsigned header_len;
    uint32_t payload; /* of the frame: bytes that are still to come */
    bool padded;      /* of a frame of data: its padding is known, */
    uint32_t padding; /* so many of its last bytes */
    uint32_t last,
        stream;  /* stream: the answer's, 0 until it begins; last: that of the answer before */
    bool ending; /* the answer's last frame, or its last block of fields, has begun */
    bool ended;  /* and has come whole */
    uint64_t data, other; /* bytes since the request: of the body's frames, and all else */
};

/* Another request goes out: its answer is what counts from now on. Zeroed before the first. */
void frames_expect(struct frames *frames);

/* What the peer has sent. */
void frames_read(struct frames *frames, const void *data, size_t len);

/* Has it sent more than an answer can need besides its body? 1 MiB, and as much again as many small
 * frames of a body take. */
bool frames_excess(const struct frames *frames);

#endif
