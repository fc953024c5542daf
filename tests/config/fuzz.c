/* Mutated configurations: none crashes, leaks or runs away (AddressSanitizer watches), each is
 * either without a mistake and whole, or has mistakes in order, each with its place.
 *
 * VSLUICE_ROUNDS in the environment makes more of them.
 */
#include "tests/config/random.h"
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS     3000
#define TEXT_BYTES 4096

static const char seed_text[] =
    "[global]\nworkers = 2\nmax-sessions = 100\ndrain-timeout = 3s\n"
    "admin-socket = /run/admin\n"
    "admin-listen = tcp:127.0.0.1:9100\n"
    "; comment\n"
    "[guest web1]\naddress = vsock:3\nvmm = kernel\n"
    "[guest fc7]\naddress = vsock-mux:/run/fc7/v.sock\n"
    "vmm = firecracker\nhalf-close = hold\nmax-sessions = 0\n\n"
    "[guest *]\naddress = vsock-mux:/run/{name}/v.sock\n"
    "[route web]\nlisten = tcp:127.0.0.1:8080 tcp:[::1]:80 ; x\n"
    "  unix:/run/a b\n  vsock-mux:/c:5\ntarget = guest:web1:80\n"
    "connect-timeout = 3s\nkeepalive = off\nbacklog = 5\nmode = 0600\n"
    "owner = root:7\nwait-for-guest = 60s\nwait-for = off, service\nwait-max = 9\n"
    "[route db]\nlisten =\n  vsock::5432\n  guest:fc7:1\n  fd:web\n"
    "target = tcp:db.example:5432\n"
    "[route range]\nlisten = tcp:*:90-95 vsock-mux:/r:98-103\ntarget = machine:m:1-6\n"
    "[route each]\nlisten = unix:/run/{name}/ssh guest:{name}:70-71\ntarget = guest:{name}:22\n"
    "[route mux]\nlisten = mux:/run/{name}/mux\ntarget = guest:{name}:*\n"
    "ports = 22, 80-90\nidle-timeout = 2m\ndead-guest-probe = off\n";

/* What a mutation puts in: what the grammar is made of, and what breaks it. */
static const char *const pieces[] = {
    "\n",
    "\r\n",
    "[",
    "]",
    "=",
    ":",
    ";",
    "#",
    " ",
    "\t",
    "  ",
    "\n  ",
    "\n[",
    "listen",
    "target",
    "tcp:",
    "unix:",
    "vsock:",
    "guest:",
    "fd:",
    "mux:",
    "vsock-mux:",
    "machine:",
    "machine",
    "{name}",
    "guest:{name}:",
    "[guest *]\n",
    "-",
    "1-9",
    "1-999",
    ":*",
    "ports",
    "vmm",
    "libkrun",
    "\xEF\xBB\xBF",
    "\xff",
    "[guest ",
    "[route ",
    "[global]\n",
    "%s%n",
    "99999999999999999999",
    "/",
    "@",
    "*",
    "\x1b",
    "\x01",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

#define PIECE_COUNT (sizeof(pieces) / sizeof(pieces[0]))

static size_t mutate(struct random *random, char *text, size_t length)
{
    for (uint32_t changes = 1 + random_below(random, 8); changes > 0; changes--) {
        size_t at = random_below(random, (uint32_t)length + 1);
        const char *piece = pieces[random_below(random, PIECE_COUNT)];
        size_t cut = random_below(random, 3) ? 0 : 1 + random_below(random, 20);
        size_t added = random_below(random, 2) ? strlen(piece) : 0;
        if (cut > length - at)
            cut = length - at;
        if (length - cut + added >= TEXT_BYTES)
            continue;
        memmove(text + at + added, text + at + cut, length - at - cut);
        memcpy(text + at, piece, added);
        length += added - cut;
        if (length > 0 && random_below(random, 4) == 0)
            text[random_below(random, (uint32_t)length)] = (char)random_next(random);
    }
    return length;
}

static void expect_routes(const struct config *config, uint64_t seed)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];
        cr_assert_gt(route->listen_count, 0, "seed %" PRIu64, seed);
        cr_assert_neq(route->targets[0].resolved.kind, ENDPOINT_GUEST, "seed %" PRIu64, seed);
        cr_assert_neq(route->connect_timeout_ns, 0, "seed %" PRIu64, seed);
        for (size_t j = 0; j < route->listen_count; j++) {
            const struct route_listen *listen = &route->listens[j];
            cr_assert_neq(listen->resolved.kind, ENDPOINT_GUEST, "seed %" PRIu64, seed);
            cr_assert_lt(listen->port_offset, listen->port_count, "seed %" PRIu64, seed);
            cr_assert_eq(route_target_port(&route->targets[0], listen) == ENDPOINT_PORT_NAMED,
                         listen->written.kind == ENDPOINT_MUX, "seed %" PRIu64, seed);
        }
    }
}

/* A guest that appears has every route, or why it has none is told. */
static void expect_guest(struct config *config, uint64_t seed)
{
    struct problems problems;

    if (!config->guest_each)
        return;
    problems_init(&problems);
    struct config *guest = config_of_guest(config, "vm1", &problems);
    cr_assert_eq(guest == NULL, problems.count > 0, "seed %" PRIu64, seed);
    if (guest) {
        cr_assert_eq(guest->route_count, config->template_count, "seed %" PRIu64, seed);
        expect_routes(guest, seed);
    }
    config_free(guest);
    problems_deinit(&problems);
}

static void expect_sound(const struct scratch_result *result, uint64_t seed)
{
    unsigned line_before = 0;
    unsigned line;

    for (const struct problem *problem = result->problems.first; problem; problem = problem->next) {
        cr_assert_eq(sscanf(problem->text, SCRATCH_FILE ":%u: ", &line), 1, "seed %" PRIu64 ": %s",
                     seed, problem->text);
        cr_assert_geq(line, line_before, "seed %" PRIu64 ": %s", seed, problem->text);
        line_before = line;
    }
    if (result->problems.count > 0)
        return;
    expect_routes(result->config, seed);
    expect_guest(result->config, seed);
}

Test(fuzz, mutated_configurations)
{
    const char *rounds_wanted = getenv("VSLUICE_ROUNDS");
    unsigned rounds = rounds_wanted ? (unsigned)strtoul(rounds_wanted, NULL, 0) : ROUNDS;
    struct random random = random_make(7);
    FILE *nowhere = fopen("/dev/null", "w");
    static char text[TEXT_BYTES];
    unsigned right = 0;
    unsigned wrong = 0;

    cr_assert_not_null(nowhere);
    for (unsigned i = 0; i < rounds; i++) {
        memcpy(text, seed_text, sizeof(seed_text));
        size_t length = mutate(&random, text, sizeof(seed_text) - 1);
        const struct scratch_file file = {SCRATCH_FILE, text, length};
        const struct config_sources sources = {.path = SCRATCH_FILE};
        struct scratch_result result = scratch_read(&file, 1, &sources);
        expect_sound(&result, random.seed);
        cr_assert_eq(config_print(result.config, nowhere), 0);
        *(result.problems.count ? &wrong : &right) += 1;
        scratch_free(&result);
    }
    fclose(nowhere);
    scratch_leaks_check();
    cr_assert_gt(right, rounds / 100, "the mutations are too wild to test anything");
    cr_assert_gt(wrong, rounds / 2, "the mutations are too tame to test anything");
}
