/* The list as a filter, by libseccomp, which is loaded for it. */
#include "proxy/sandbox.h"

#include "proxy/sandbox_list.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    typeof(seccomp_init) *init;
    typeof(seccomp_release) *release;
    typeof(seccomp_attr_set) *attr_set;
    typeof(seccomp_syscall_resolve_name) *resolve;
    typeof(seccomp_rule_add_array) *add;
    typeof(seccomp_load) *load;
} library;

static int load_library(char error[static SANDBOX_ERROR_BYTES])
{
    static const char *const names[] = {"libseccomp.so.2", NULL};
    static const struct library_symbol symbols[] = {
        {"seccomp_init", &library.init},
        {"seccomp_release", &library.release},
        {"seccomp_attr_set", &library.attr_set},
        {"seccomp_syscall_resolve_name", &library.resolve},
        {"seccomp_rule_add_array", &library.add},
        {"seccomp_load", &library.load},
        {NULL, NULL},
    };

    return library_open(names, symbols, "libseccomp2", error);
}

int sandbox_probe(char error[static SANDBOX_ERROR_BYTES])
{
    uint32_t action = SECCOMP_RET_ERRNO;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
        snprintf(error, SANDBOX_ERROR_BYTES, "system calls cannot be filtered here: %s",
                 strerror(errno));
        return -errno;
    }
    return load_library(error);
}

static int add_rule(scmp_filter_ctx filter, const struct sandbox_rule *rule)
{
    struct scmp_arg_cmp conditions[SANDBOX_MASKS];
    int number = library.resolve(rule->name);

    if (number < 0)
        return 0;
    for (unsigned i = 0; i < rule->count; i++)
        conditions[i] = (struct scmp_arg_cmp){
            .arg = rule->masks[i].argument,
            .op = SCMP_CMP_MASKED_EQ,
            .datum_a = rule->masks[i].mask,
            .datum_b = rule->masks[i].value,
        };
    return library.add(filter, SCMP_ACT_ALLOW, number, rule->count, conditions);
}

/* Signals to its own threads: libc's set*id(2) and abort(3). */
static int add_own_signals(scmp_filter_ctx filter)
{
    struct scmp_arg_cmp own = {
        .arg = 0,
        .op = SCMP_CMP_MASKED_EQ,
        .datum_a = UINT32_MAX,
        .datum_b = (uint32_t)getpid(),
    };

    return library.add(filter, SCMP_ACT_ALLOW, library.resolve("tgkill"), 1, &own);
}

/* One filter for all threads; found by halving, not one after the other; and processors may go on
 * guessing as before: there is no foreign code to keep from watching them. */
static int filter_make(scmp_filter_ctx filter)
{
    int error = library.attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

    if (error == 0)
        error = library.attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error == 0)
        error = library.attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    for (const struct sandbox_rule *rule = sandbox_rules; rule->name && error == 0; rule++)
        error = add_rule(filter, rule);
    return error == 0 ? add_own_signals(filter) : error;
}

int sandbox_begin(char error[static SANDBOX_ERROR_BYTES])
{
    int failed = sandbox_probe(error);

    if (failed)
        return failed;
    scmp_filter_ctx filter = library.init(SCMP_ACT_ERRNO(ENOSYS));
    failed = filter ? filter_make(filter) : -ENOMEM;
    if (!failed)
        failed = library.load(filter);
    if (filter)
        library.release(filter);
    if (failed)
        snprintf(error, SANDBOX_ERROR_BYTES, "%s", strerror(-failed));
    return failed;
}
