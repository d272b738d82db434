/* What a store tells and takes when several daemons share it: who owns which hosts, what became of
 * the others' jobs, and whether this daemon is still believed alive. An engine of one daemon has
 * none of this (store_engine.shared is NULL), and nothing is done or paid for it there.
 *
 * A member is one run of one daemon. Each host belongs to one of STORE_SHARDS shards for ever, and
 * each shard to at most one member, its owner: the owner alone starts the jobs of its hosts, so
 * that the limits of a host hold over all members without a word between them.
 *
 * A member that stops giving signs of life loses its shards after `lease_ns`. It counts for itself,
 * from the sending of its last beat that was answered, and stops earlier (at 0.7 of the lease): it
 * is told by EVENT_FENCED, and must end all that it runs at once. What it asked of the store before
 * that event was delivered comes back as it would from a ghost: claims with -EIO, and ends and
 * postponements with -ESTALE unless they still stand.
 *
 * All functions and events: the control loop. */
#ifndef PENSTOCK_STORE_SHARED_H
#define PENSTOCK_STORE_SHARED_H

#include "store/store.h"

#define STORE_SHARDS 256

/* The shard of a host (lower case, no port; an address as it is written in a URL): FNV-1a of the
 * last two labels, of three if the last has two letters and the one before it at most three;
 * addresses whole. Never to be changed: two versions may share one store. */
unsigned store_shard(const char *host);

struct store_shards {
    uint64_t bits[STORE_SHARDS / 64];
};

static inline bool store_shards_has(const struct store_shards *shards, unsigned shard)
{
    return shards->bits[shard / 64] >> shard % 64 & 1;
}

enum store_owner { OWNER_MINE, OWNER_ANOTHER, OWNER_NOBODY };

enum store_event_kind {
    /* These shards are ours: read their hosts (`hosts` gives those of ours alone), start what
     * waits. With `elsewhere` as in the next event but one, of all our shards as they are by
     * now. */
    EVENT_GAINED,
    /* Others shall have these: start nothing there any more, and call `release` once no claim of
     * ours is under way. What runs goes on; its rows stay ours. */
    EVENT_LOST,
    /* `elsewhere` is how many attempts others run on hosts of ours, each host that has any: they
     * count against the host's limit. Replaces what was said before. */
    EVENT_ELSEWHERE,
    /* There may be something to run on `host`, which is ours. NULL: on any of ours, read `hosts`;
     * that comes twice a minute, because a word from another member may be lost. */
    EVENT_HOST,
    /* Job `id` shall end: `why`. We run it; or nobody does any more, and its host is ours. May come
     * again while the job is there. */
    EVENT_CANCEL,
    EVENT_ENDED, /* job `id`, which somebody awaits here, has ended elsewhere: `get` it */
    /* We are not believed alive any more (`why`): all that runs ends now, as interrupted, without
     * a word to the store; our shards are gone. EVENT_JOINED comes when we are a member again. */
    EVENT_FENCED,
    EVENT_JOINED,
    EVENT_TORN,      /* others have died and left attempts in our shards: `torn` has them */
    EVENT_SCHEDULES, /* some have changed since they were last read */
    EVENT_PAUSES,    /* something was paused or resumed: `pauses` has it */
    /* `parked` is what the parked jobs of all members need; replaces what was said before. */
    EVENT_PARKED,
    /* `host`, which is another member's, has parked jobs that this one can run: a guest's window
     * has them. Comes again while it is so, with `owner_waits` and `others_run`. */
    EVENT_GUEST,
};

struct store_elsewhere {
    char *host;
    unsigned running;
};

/* Jobs that are parked: the owner of their host cannot run them, and whoever has what they need
 * may. They are in no window but a guest's. */
struct store_parked {
    char *needs;
    /* How many there are, and how many of them on hosts of ours; if they are too many to be counted
     * in a moment, of so many as could be. */
    uint64_t jobs, ours;
};

/* Delivered in order to the mailbox of the store; the receiver frees it. */
struct store_event {
    struct mail mail; /* delivered: store_config.on_event is called with it */
    struct store *store;
    void *arg; /* store_config.arg */
    enum store_event_kind kind;
    struct store_shards shards;
    uint64_t id;
    char *host, *why;
    struct store_elsewhere *elsewhere;
    size_t elsewhere_count;
    struct store_parked *parked;
    size_t parked_count;
    bool owner_waits; /* the owner has jobs there that it may start, … */
    bool others_run;  /* … and another guest runs one */
};
void store_event_free(struct store_event *event); /* takes NULL */

/* A page of rows whose member is gone, in shards of ours. */
struct store_torn {
    struct store_call call;
    size_t limit;
    struct store_job **jobs; /* result: copies, the caller's, still `running` */
    char **members;          /* … and who ran each, by name (the caller's) */
    size_t count;
};

/* An attempt that a gone member ran is closed by us: running -> queued, torn + 1. Its line is on
 * the disk before. -ESTALE: somebody else has closed it. A job that shall not run again is ended
 * afterwards, by a finish that says that nobody runs it. */
struct store_close_torn {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;
    int64_t ran;
    const char *line;
};

/* Asks whoever runs the job to end it. 0: asked. -EAGAIN: nobody runs it; end it yourself. -ENOENT,
 * -ESTALE (it has ended). */
struct store_cancel {
    struct store_call call;
    uint64_t id;
    const char *why; /* borrowed: "cancelled by uid 1000" */
};

/* A job of a host of ours that waits cannot be run here: it is parked, with what it needs, a text
 * that is the same for all jobs that need the same. -ESTALE: it does not wait any more, or has been
 * at another attempt since it was read. */
struct store_park {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;  /* as it was read */
    const char *needs; /* borrowed */
};

/* Everything (`host` and `parser` are NULL), a host or a parser is held back in the whole fleet, or
 * let go again. What is so already stays as it is. */
struct store_pause {
    struct store_call call;
    const char *host, *parser; /* borrowed */
    bool held;
    uint32_t uid; /* who says so */
};

struct store_pause_row {
    char *host, *parser; /* as above; owned by the page */
    bool held;
    uint32_t uid;     /* who has said so, … */
    int64_t at;       /* … when, by the server's clock … */
    char *member;     /* … and the name of the member that was asked to */
    uint64_t version; /* higher than that of any change before it */
};

/* What is held back, or was let go, since a version: a page, in the order of the versions. What was
 * let go is kept for a day, for whoever knows the versions before; 0 is before all of them. */
struct store_pauses {
    struct store_call call;
    uint64_t after;
    size_t limit;
    struct store_pause_row *rows; /* result: the caller's (store_pauses_free) */
    size_t count;                 /* fewer than `limit`: these are the last */
};
/* Adds a copy of the row (0 or -ENOMEM); frees the result. */
int store_pauses_add(struct store_pauses *call, const struct store_pause_row *row);
void store_pauses_free(struct store_pauses *call);

struct store_member {
    int64_t id;
    char *name, *machine, *version, *config; /* config: a digest; members differ if these do */
    int64_t started;
    uint64_t beat_age_ns; /* since its last beat was seen to have changed, by our own clock */
    unsigned shards, workers, running;
    bool self, draining;
};

struct store_members {
    struct store_member *members; /* the caller's (store_members_free) */
    size_t count;
};
void store_members_free(struct store_members *list); /* takes a zeroed one */

/* What a member's connections to the server are for. */
enum store_connection {
    STORE_CHANGES, /* and short reads: all that must keep its order */
    STORE_READS,   /* long ones */
    STORE_RECORDS, /* ends that bring records */
    STORE_CONNECTION_COUNT_
};

/* How the fleet stands, and what this member has met since its start. */
struct store_health {
    unsigned members, draining; /* as of the last beat; those that stop are in both */
    bool first;                 /* of the members this one is there the longest */
    /* A standby is attached to the server, and no commit waits for it: if it is promoted, what was
     * answered last is lost. As of the last half minute; so is `oldest_ns`. */
    bool standby_lags;
    uint64_t
        oldest_ns; /* how long the server's oldest transaction lasts, of those that we may see */
    struct histogram beats;                               /* from a question to its answer */
    struct histogram roundtrips[STORE_CONNECTION_COUNT_]; /* of what is sent at once, likewise */
    uint64_t unanswered_ns; /* since a change was sent that has no answer yet; 0: there is none */
    uint64_t reconnects;    /* new connections for changes */
    uint64_t unanswered_stood, unanswered_lost; /* transactions, as it turned out */
    uint64_t lost_commits; /* so often the server no longer knew what it had answered */
};

/* Declares a member dead without waiting for its lease. -ENOENT: there is none of that name;
 * -EINVAL: it is this one; -EIO: the server cannot be reached. */
struct store_evict {
    struct store_call call;
    const char *name;
};

/* Attempts of this daemon's name that others have closed, whose lines in its log do not count: a
 * page. First those of `told` are forgotten, whose lines are known to be void by now. */
struct store_void {
    struct store_call call;
    const struct store_void_attempt {
        uint64_t job;
        uint32_t attempt;
    } * told; /* borrowed; NULL: none */
    size_t told_count;
    size_t limit;
    struct store_void_attempt *attempts; /* result: the caller's */
    size_t count;
};

struct store_shared {
    /* The server's time in microseconds since 1970, at once, from memory: no clock of ours. */
    int64_t (*now)(struct store *s);
    /* Who may start jobs of `host`, at once, from memory: changes with the delivery of events.
     * ret_name (may be NULL): of another; valid as long as the store. */
    enum store_owner (*owner)(struct store *s, const char *host, const char **ret_name);
    /* Microseconds until this member must stop, by its own count; <= 0: it must have stopped, even
     * if EVENT_FENCED is still to come: the thread that tells it may hang in a look-up of a name,
     * so a timer of the loop asks as well. */
    int64_t (*lease_left)(struct store *s);
    /* Nothing of ours can start in these shards any more: others may have them. */
    void (*release)(struct store *s, const struct store_shards *shards);
    void (*drain)(struct store *s); /* give all up, and take none any more */
    /* Somebody here waits for a job's end, or does so no more. Counted; EVENT_ENDED ends them
     * all. */
    void (*await)(struct store *s, uint64_t id, bool waits);
    /* What the next beat says of this member. */
    void (*progress)(struct store *s, unsigned running, unsigned workers);
    void (*torn)(struct store *s, struct store_torn *call);
    void (*close_torn)(struct store *s, struct store_close_torn *call);
    void (*cancel)(struct store *s, struct store_cancel *call);
    void (*park)(struct store *s, struct store_park *call);
    /* What parked jobs may need to be run here (copied): those of our hosts are parked no more, and
     * EVENT_GUEST tells of others'. Replaces what was said before; at first there is nothing. */
    void (*able)(struct store *s, const char *const *needs, size_t count);
    void (*pause)(struct store *s, struct store_pause *call);
    void (*pauses)(struct store *s, struct store_pauses *call);
    /* Who is there, as of the last beat: at once, from memory. 0 or -ENOMEM. */
    int (*members)(struct store *s, struct store_members *ret_members);
    void (*health)(struct store *s, struct store_health *ret_health); /* at once, from memory */
    void (*evict)(struct store *s, struct store_evict *call);
    void (*voided)(struct store *s, struct store_void *call);
};

#endif
