/* A million random sets of words for `allow` and `deny`, each with somebody who connects: who may
 * is told by a model that knows addresses as strings of the letters 0 and 1, and by access.c.
 */
#include "config/access.h"

#include "tests/config/random.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>

#ifndef SETS
#    define SETS 1000000
#endif
#define WORDS_MAX  6
#define GROUPS_MAX 4
#define LETTERS    130

/* What a word stands for, or somebody is: for the model only. */
struct meaning {
    char kind;             /* a: an address, u: a user, g: a group, c: a CID */
    char letters[LETTERS]; /* the family, 4 or 6, then 0 and 1 for each bit that is asked for */
    uint64_t number;       /* of a user, a group or a CID; ANY: each CID */
    uint64_t from, to;     /* ports */
};

#define ANY UINT64_MAX

struct somebody {
    struct meaning is; /* of a Unix socket: the user */
    uint64_t groups[1 + GROUPS_MAX];
    unsigned group_count;
};

static bool means(const struct meaning *word, const struct somebody *somebody)
{
    bool among = false;

    switch (word->kind) {
    case 'a':
        return somebody->is.kind == 'a' &&
               strncmp(somebody->is.letters, word->letters, strlen(word->letters)) == 0;
    case 'u': return somebody->is.kind == 'u' && somebody->is.number == word->number;
    case 'g':
        for (unsigned i = 0; i < somebody->group_count; i++)
            among |= somebody->groups[i] == word->number;
        return somebody->is.kind == 'u' && among;
    default:
        return somebody->is.kind == 'c' &&
               (word->number == ANY || word->number == somebody->is.number) &&
               !(somebody->is.from < word->from) && !(somebody->is.from > word->to);
    }
}

static bool may(const struct meaning *allow, unsigned allowed, const struct meaning *deny,
                unsigned denied, const struct somebody *somebody)
{
    unsigned found = 0;

    for (unsigned i = 0; i < denied; i++)
        if (means(&deny[i], somebody))
            return false;
    for (unsigned i = 0; i < allowed; i++)
        found += means(&allow[i], somebody);
    return allowed == 0 || found > 0;
}

static void random_letters(struct random *random, char letters[static LETTERS], unsigned count)
{
    bool v4 = random_below(random, 2);
    unsigned bits = v4 ? 32 : 128;

    letters[0] = v4 ? '4' : '6';
    for (unsigned i = 0; i < bits; i++)
        letters[1 + i] = random_below(random, 4) ? '0' : '1';
    letters[1 + (count < bits ? count : bits)] = '\0';
}

/* The bytes of an address, nought where no letter tells. */
static void bytes_of(const char *letters, uint8_t bytes[static 16])
{
    memset(bytes, 0, 16);
    for (unsigned i = 0; letters[1 + i]; i++)
        bytes[i / 8] |= (uint8_t)((letters[1 + i] - '0') << (7 - i % 8));
}

static void write_address(struct random *random, const struct meaning *meaning, char *word,
                          size_t bytes_max)
{
    static const char *const mapped[] = {"", "::ffff:", "::FFFF:", "0:0:0:0:0:ffff:"};
    bool v4 = meaning->letters[0] == '4';
    unsigned bits = (unsigned)strlen(meaning->letters) - 1;
    const char *before = v4 ? mapped[random_below(random, 4)] : "";
    uint8_t bytes[16];
    char host[64];

    bytes_of(meaning->letters, bytes);
    if (v4)
        snprintf(host, sizeof(host), "%s%u.%u.%u.%u", before, bytes[0], bytes[1], bytes[2],
                 bytes[3]);
    else if (random_below(random, 2))
        inet_ntop(AF_INET6, bytes, host, sizeof(host));
    else
        for (unsigned i = 0, length = 0; i < 8; i++)
            length += (unsigned)snprintf(host + length, sizeof(host) - length, "%s%x",
                                         i == 0 ? "" : ":", bytes[2 * i] << 8 | bytes[2 * i + 1]);
    if (bits == (v4 ? 32U : 128U) && random_below(random, 2))
        snprintf(word, bytes_max, "%s", host);
    else
        snprintf(word, bytes_max, "%s/%u", host, bits + (*before ? 96 : 0));
}

static void write_cid(struct random *random, const struct meaning *meaning, char *word,
                      size_t bytes_max)
{
    static const char *const names[] = {"hypervisor", "local", "host"};
    char cid[16];

    if (meaning->number == ANY)
        snprintf(cid, sizeof(cid), "any");
    else if (meaning->number < 3 && random_below(random, 2))
        snprintf(cid, sizeof(cid), "%s", names[meaning->number]);
    else
        snprintf(cid, sizeof(cid), "%" PRIu64, meaning->number);
    if (meaning->to == ANY)
        snprintf(word, bytes_max, "cid:%s", cid);
    else if (meaning->from == meaning->to)
        snprintf(word, bytes_max, "cid:%s:%" PRIu64, cid, meaning->from);
    else
        snprintf(word, bytes_max, "cid:%s:%" PRIu64 "-%" PRIu64, cid, meaning->from, meaning->to);
}

static uint64_t random_port(struct random *random)
{
    return random_below(random, 3) ? random_below(random, 8)
                                   : random_below(random, UINT32_MAX) >> random_below(random, 32);
}

static void random_word(struct random *random, struct meaning *ret, char *word, size_t bytes_max)
{
    uint64_t other;

    *ret = (struct meaning){.kind = "aaugc"[random_below(random, 5)]};
    switch (ret->kind) {
    case 'a':
        random_letters(random, ret->letters,
                       random_below(random, 2) ? random_below(random, 9)
                                               : random_below(random, 129));
        write_address(random, ret, word, bytes_max);
        break;
    case 'c':
        ret->number = random_below(random, 4) ? random_below(random, 6) : ANY;
        ret->from = random_below(random, 2) ? random_port(random) : 0;
        other = ret->from ? random_port(random) : ANY;
        ret->to = other < ret->from ? ret->from : other;
        write_cid(random, ret, word, bytes_max);
        break;
    default:
        ret->number =
            random_below(random, 50) ? random_below(random, 6) : random_below(random, UINT32_MAX);
        snprintf(word, bytes_max, ret->kind == 'u' ? "uid:%" PRIu64 : "gid:%" PRIu64, ret->number);
    }
}

/* Often one whom a word means, or nearly. */
static void random_address(struct random *random, const struct meaning *near,
                           char letters[static LETTERS])
{
    size_t asked = near && near->kind == 'a' && random_below(random, 8) ? strlen(near->letters) : 0;

    random_letters(random, letters, LETTERS);
    if (asked == 0)
        return;
    if (letters[0] != near->letters[0])
        random_letters(random, letters, LETTERS);
    if (letters[0] == near->letters[0])
        memcpy(letters, near->letters, asked);
    if (asked > 1 && random_below(random, 3) == 0) {
        char *last = &letters[1 + random_below(random, (uint32_t)asked - 1)];
        *last = *last == '0' ? '1' : '0';
    }
}

static void random_somebody(struct random *random, const struct meaning *near, struct somebody *ret)
{
    *ret = (struct somebody){
        .is.kind = near && random_below(random, 4) ? near->kind : "auc"[random_below(random, 3)]};
    if (ret->is.kind == 'g')
        ret->is.kind = 'u';
    if (ret->is.kind == 'a')
        random_address(random, near, ret->is.letters);
    ret->is.number = random_below(random, 6);
    ret->is.from = random_port(random);
    if (near && near->kind == ret->is.kind && random_below(random, 2)) {
        ret->is.number = near->number == ANY ? ret->is.number : near->number;
        ret->is.from = (near->to == ANY || random_below(random, 2) ? near->from : near->to) +
                       random_below(random, 3) - 1;
        ret->is.from &= UINT32_MAX;
    }
    ret->group_count = 1 + random_below(random, GROUPS_MAX + 1);
    for (unsigned i = 0; i < ret->group_count; i++)
        ret->groups[i] = random_below(random, 12);
}

/* As a connection has it. */
static void peer_of(struct random *random, const struct somebody *somebody, gid_t *groups,
                    struct access_peer *ret)
{
    struct address address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.storage;
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&address.storage;
    uint8_t bytes[16];

    if (somebody->is.kind == 'u') {
        for (unsigned i = 1; i < somebody->group_count; i++)
            groups[i - 1] = (gid_t)somebody->groups[i];
        *ret = (struct access_peer){.transport = TRANSPORT_UNIX,
                                    .uid = (uid_t)somebody->is.number,
                                    .gid = (gid_t)somebody->groups[0],
                                    .groups = groups,
                                    .group_count = somebody->group_count - 1};
        return;
    }
    bytes_of(somebody->is.letters, bytes);
    if (somebody->is.kind == 'c') {
        vm->svm_family = AF_VSOCK;
        vm->svm_cid = (unsigned)somebody->is.number;
        vm->svm_port = (unsigned)somebody->is.from;
    } else if (somebody->is.letters[0] == '4' && random_below(random, 2)) {
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, bytes, 4);
    } else if (somebody->is.letters[0] == '4') {
        v6->sin6_family = AF_INET6;
        memset(&v6->sin6_addr.s6_addr[10], 0xff, 2);
        memcpy(&v6->sin6_addr.s6_addr[12], bytes, 4);
    } else {
        v6->sin6_family = AF_INET6;
        memcpy(&v6->sin6_addr, bytes, 16);
    }
    cr_assert(access_peer_of_address(&address, ret));
}

struct set {
    struct meaning meanings[WORDS_MAX];
    struct access_rule rules[WORDS_MAX];
    char text[WORDS_MAX * 80];
    unsigned count;
};

static void random_set(struct random *random, struct set *set)
{
    char error[ACCESS_ERROR_BYTES];
    size_t length = 0;
    char word[80];

    set->count = random_below(random, WORDS_MAX + 1);
    set->text[0] = '\0';
    for (unsigned i = 0; i < set->count; i++) {
        random_word(random, &set->meanings[i], word, sizeof(word));
        cr_assert_eq(access_parse(word, &set->rules[i], error), 0, "seed %" PRIu64 ": %s: %s",
                     random->seed, word, error);
        length += (size_t)snprintf(set->text + length, sizeof(set->text) - length, " %s", word);
    }
}

Test(access_sets, grants_as_the_model_does)
{
    static struct set allow, deny;
    struct random random = random_make(0x5e75);
    gid_t groups[GROUPS_MAX];
    unsigned granted[256] = {0}, refused[256] = {0};

    for (unsigned number = 0; number < SETS; number++) {
        struct somebody somebody;
        struct access_peer peer;
        random_set(&random, &allow);
        random_set(&random, &deny);
        const struct set *from = random_below(&random, 3) ? &allow : &deny;
        random_somebody(&random,
                        from->count ? &from->meanings[random_below(&random, from->count)] : NULL,
                        &somebody);
        peer_of(&random, &somebody, groups, &peer);
        const struct access_list allows = {allow.rules, allow.count},
                                 denies = {deny.rules, deny.count};
        bool expected = may(allow.meanings, allow.count, deny.meanings, deny.count, &somebody);
        (expected ? granted : refused)[(uint8_t)somebody.is.kind]++;
        cr_assert_eq(access_grants(&allows, &denies, &peer), expected,
                     "seed %" PRIu64 ", set %u: allow%s, deny%s: %c %s %" PRIu64 " %" PRIu64
                     ", group %" PRIu64,
                     random.seed, number, allow.text, deny.text, somebody.is.kind,
                     somebody.is.letters, somebody.is.number, somebody.is.from, somebody.groups[0]);
    }
    for (const char *kind = "auc"; *kind; kind++)
        cr_expect(granted[(uint8_t)*kind] > SETS / 20 && refused[(uint8_t)*kind] > SETS / 20,
                  "%c: %u granted, %u refused", *kind, granted[(uint8_t)*kind],
                  refused[(uint8_t)*kind]);
}
