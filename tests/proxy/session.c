/* Sessions on the fake ring, at random: thousands of seeds, each a run of several sessions. The
 * named cases stand in session_end.c, session_dial.c and session_relay.c.
 *
 * VSLUICE_SEEDS=N runs so many; VSLUICE_SEED=N runs that one and tells what happens.
 */
#include "tests/proxy/scenario.h"

#include <criterion/criterion.h>

#define SEEDS  4000
#define SHARDS 4

/* One shard of the seeds: they run beside each other. */
static void run_shard(unsigned shard)
{
    uint64_t count = scenario_seeds(SEEDS);
    uint64_t first = count * shard / SHARDS;
    uint64_t end = count * (shard + 1) / SHARDS;
    uint64_t seed;

    if (!scenario_seed_asked(&seed))
        scenario_run_many(first, end - first);
    else if (shard == 0)
        scenario_run(seed, true);
}

Test(session, seeds_1)
{
    run_shard(0);
}

Test(session, seeds_2)
{
    run_shard(1);
}

Test(session, seeds_3)
{
    run_shard(2);
}

Test(session, seeds_4)
{
    run_shard(3);
}
