/* The features of io_uring that the engine uses where they work, each tried once per process with a
 * known answer: neither a kernel's version nor its flags say what works. Without them the engine
 * does the same in more steps.
 */
#pragma once

enum ring_feature {
    RING_MULTISHOT_ACCEPT,
    RING_MULTISHOT_RECEIVE, /* needs buffer rings */
    RING_BUFFER_RINGS,
    RING_DEFER_TASKRUN,
    RING_RESTRICTIONS, /* of what a ring can be asked for */
    RING_FEATURES,
};

/* What the engine cannot do without: a queue, and cancelling by descriptor (5.19). 0 or a negative
 * errno. */
int ring_feature_refusal(void);

/* As VSLUICE_RING has it after "no-". */
const char *ring_feature_name(enum ring_feature feature);

/* 0: rings of this process use it. -ECANCELED: VSLUICE_RING is against it; -EBADMSG: its answer was
 * wrong; -ETIME: there was none; another negative errno: it is refused. */
int ring_feature_state(enum ring_feature feature);

/* Whether the queue does without its index array (NO_SQARRAY) is liburing's to try, from version
 * 2.5 on. 0: it does; else a negative errno. */
int ring_feature_sqarray(void);
