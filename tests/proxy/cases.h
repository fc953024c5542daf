/* What the named cases of sessions share. */
#pragma once

#include "tests/proxy/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define MS UINT64_C(1000000)

/* A world without faults. */
static inline void world_plain(struct world *world)
{
    world_init(world, &(struct fake_options){.seed = 1}, WORLD_SESSIONS_MAX);
}

static inline void expect_reason(const struct world_session *session, enum reason reason)
{
    cr_assert_eq(session->ended, 1, "session %u ended %u times", session->number, session->ended);
    cr_assert_eq(session->reason, reason, "session %u ended for '%s' (error %d), expected '%s'",
                 session->number, reason_token(session->reason), session->error,
                 reason_token(reason));
}

/* Ended between so many nanoseconds after its start. */
static inline void expect_took(const struct world_session *session, uint64_t min_ns,
                               uint64_t max_ns)
{
    uint64_t took_ns = session->ended_ns - session->started_ns;
    cr_assert(took_ns >= min_ns && took_ns <= max_ns, "session %u took %llu us", session->number,
              (unsigned long long)took_ns / 1000);
}
