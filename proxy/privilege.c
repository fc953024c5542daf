/* By set*id(2), which glibc does for all threads, and capset(2), which is for one. */
#include "proxy/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIND_SERVICE (UINT32_C(1) << CAP_NET_BIND_SERVICE)

/* A service manager says who its services are. */
static bool is_managed(void)
{
    return getenv("INVOCATION_ID") || getenv("NOTIFY_SOCKET");
}

static int choose_by_itself(struct privilege *ret)
{
    if (geteuid() != 0 || is_managed())
        return 0;
    const struct passwd *entry = getpwnam(PRIVILEGE_USER);
    if (entry && entry->pw_uid != 0)
        *ret = (struct privilege){.drops = true, .uid = entry->pw_uid, .gid = entry->pw_gid};
    else
        ret->stays = true;
    return 0;
}

int privilege_choose(struct privilege *ret, const struct config *config,
                     char error[static PRIVILEGE_ERROR_BYTES])
{
    *ret = (struct privilege){0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        snprintf(error, PRIVILEGE_ERROR_BYTES, "no_new_privs: %s", strerror(errno));
        return -errno;
    }
    if (config->user_uid == (uid_t)-1)
        return choose_by_itself(ret);
    if (geteuid() == config->user_uid && (getegid() == config->user_gid || geteuid() == 0))
        return 0;
    if (geteuid() != 0) {
        snprintf(error, PRIVILEGE_ERROR_BYTES,
                 "'user' in [global] is another than who starts vsluice, and only root can become "
                 "another: start it as root, or remove 'user'");
        return -EPERM;
    }
    *ret = (struct privilege){.drops = true, .uid = config->user_uid, .gid = config->user_gid};
    return 0;
}

static int capabilities_get(struct __user_cap_data_struct ret[_LINUX_CAPABILITY_U32S_3])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    return syscall(SYS_capget, &header, ret) < 0 ? -errno : 0;
}

/* The calling thread has CAP_NET_BIND_SERVICE, if it may, and no other. */
static int capabilities_keep(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct all[_LINUX_CAPABILITY_U32S_3];
    int failed = capabilities_get(all);

    if (failed)
        return failed;
    uint32_t kept = all[0].permitted & BIND_SERVICE;
    struct __user_cap_data_struct few[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = kept, .permitted = kept},
    };
    return syscall(SYS_capset, &header, few) < 0 ? -errno : 0;
}

/* The groups that the user has in the system's database; of a user that is not there: none. */
static int become(const struct privilege *privilege)
{
    const struct passwd *entry = getpwuid(privilege->uid);
    int failed = entry ? initgroups(entry->pw_name, privilege->gid) : setgroups(0, NULL);

    if (failed < 0 || setresgid(privilege->gid, privilege->gid, privilege->gid) < 0 ||
        setresuid(privilege->uid, privilege->uid, privilege->uid) < 0)
        return -errno;
    return setuid(0) == 0 ? -EPERM : 0;
}

int privilege_drop(const struct privilege *privilege, char error[static PRIVILEGE_ERROR_BYTES])
{
    if (!privilege->drops)
        return 0;
    int failed = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ? -errno : become(privilege);
    if (!failed)
        failed = capabilities_keep();
    if (!failed)
        failed = prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ? -errno : 0;
    if (failed)
        snprintf(error, PRIVILEGE_ERROR_BYTES,
                 "cannot become user %ju, group %ju: %s; 'user = root' in [global] goes on as root",
                 (uintmax_t)privilege->uid, (uintmax_t)privilege->gid, strerror(-failed));
    return failed;
}
