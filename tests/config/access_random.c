/* Random networks and peers: whether one is in the other, against a comparison bit by bit; and each
 * word that is printed is read as the same value.
 */
#include "config/access.h"

#include "tests/config/random.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 100000

/* An address of a family, its bytes as they stand on the wire. */
struct host {
    bool v4;
    uint8_t bytes[16];
};

static unsigned bits_of(const struct host *host)
{
    return host->v4 ? 32 : 128;
}

static unsigned bit(const struct host *host, unsigned number)
{
    return host->bytes[number / 8] >> (7 - number % 8) & 1;
}

static struct host random_host(struct random *random)
{
    struct host host = {.v4 = random_below(random, 2)};

    for (unsigned i = 0; i < bits_of(&host) / 8; i++)
        host.bytes[i] = random_below(random, 3) ? (uint8_t)random_next(random) : 0;
    return host;
}

/* One that often shares a prefix with the other. */
static struct host random_neighbour(struct random *random, const struct host *other)
{
    struct host host = random_below(random, 8) ? *other : random_host(random);
    unsigned from = random_below(random, bits_of(&host) + 1);

    if (from < bits_of(&host))
        host.bytes[from / 8] ^= (uint8_t)(0x80 >> from % 8);
    for (unsigned i = from + 1; i < bits_of(&host); i++)
        if (random_below(random, 2))
            host.bytes[i / 8] ^= (uint8_t)(0x80 >> i % 8);
    return host;
}

static void clear_behind(struct host *host, unsigned bits)
{
    for (unsigned i = bits; i < bits_of(host); i++)
        host->bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static bool is_mapped(const struct host *host)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return !host->v4 && memcmp(host->bytes, mapped, sizeof(mapped)) == 0;
}

static bool shares(const struct host *network, unsigned bits, const struct host *host)
{
    if (network->v4 != host->v4)
        return false;
    for (unsigned i = 0; i < bits; i++)
        if (bit(network, i) != bit(host, i))
            return false;
    return true;
}

static struct access_peer peer_of(struct random *random, const struct host *host)
{
    struct address address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.storage;
    struct access_peer peer;

    if (host->v4 && random_below(random, 2)) {
        address.storage.ss_family = AF_INET;
        memcpy(&v4->sin_addr, host->bytes, 4);
    } else if (host->v4) {
        address.storage.ss_family = AF_INET6;
        memset(&v6->sin6_addr.s6_addr[10], 0xff, 2);
        memcpy(&v6->sin6_addr.s6_addr[12], host->bytes, 4);
    } else {
        address.storage.ss_family = AF_INET6;
        memcpy(&v6->sin6_addr, host->bytes, 16);
    }
    cr_assert(access_peer_of_address(&address, &peer));
    return peer;
}

static void host_format(const struct host *host, char text[static INET6_ADDRSTRLEN])
{
    inet_ntop(host->v4 ? AF_INET : AF_INET6, host->bytes, text, INET6_ADDRSTRLEN);
}

Test(access_random, networks_hold_whom_they_share_all_bits_with)
{
    struct random random = random_make(0xacce55);
    unsigned inside = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct host network = random_host(&random);
        unsigned bits = random_below(&random, bits_of(&network) + 1);
        struct host host = random_neighbour(&random, &network);
        clear_behind(&network, bits);
        if (is_mapped(&network) || is_mapped(&host))
            continue;
        char text[INET6_ADDRSTRLEN];
        char word[ACCESS_TEXT_BYTES];
        char error[ACCESS_ERROR_BYTES];
        struct access_rule rule;
        host_format(&network, text);
        snprintf(word, sizeof(word), "%s/%u", text, bits);
        cr_assert_eq(access_parse(word, &rule, error), 0, "%s", error);
        struct access_peer peer = peer_of(&random, &host);
        bool expected = shares(&network, bits, &host);
        const struct access_list one = {&rule, 1}, none = {0};
        inside += expected;
        host_format(&host, text);
        cr_assert_eq(access_grants(&one, &none, &peer), expected, "seed %" PRIu64 ": %s, %s",
                     random.seed, word, text);
        cr_assert_eq(access_grants(&none, &one, &peer), !expected);
    }
    cr_expect(inside > ROUNDS / 10 && inside < ROUNDS - ROUNDS / 10, "%u", inside);
}

static void random_rule(struct random *random, struct access_rule *ret)
{
    struct host host;

    *ret = (struct access_rule){.kind = random_below(random, 4)};
    switch (ret->kind) {
    case ACCESS_ADDRESS:
        host = random_host(random);
        ret->network_bits = random_below(random, bits_of(&host) + 1);
        clear_behind(&host, ret->network_bits);
        ret->network_bits += 128 - bits_of(&host);
        if (host.v4)
            memset(&ret->network.s6_addr[10], 0xff, 2);
        memcpy(&ret->network.s6_addr[host.v4 ? 12 : 0], host.bytes, bits_of(&host) / 8);
        break;
    case ACCESS_CID:
        ret->cid = (uint32_t)random_next(random) >> random_below(random, 32);
        ret->port_last = (uint32_t)random_next(random) >> random_below(random, 32);
        ret->port_first =
            ret->port_last == UINT32_MAX ? 0 : random_below(random, ret->port_last + 1);
        break;
    default: ret->id = random_below(random, UINT32_MAX) >> random_below(random, 32);
    }
}

Test(access_random, prints_what_is_read_back)
{
    struct random random = random_make(0xacce56);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct access_rule rule, again;
        char text[ACCESS_TEXT_BYTES];
        char error[ACCESS_ERROR_BYTES] = "";
        random_rule(&random, &rule);
        cr_assert_eq(access_format(&rule, text), strlen(text));
        cr_assert_eq(access_parse(text, &again, error), 0, "seed %" PRIu64 ": %s", random.seed,
                     error);
        cr_assert_eq(memcmp(&rule, &again, sizeof(rule)), 0, "seed %" PRIu64 ": %s", random.seed,
                     text);
    }
}
