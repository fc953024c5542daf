/* What root started, goes on as another user.
 *
 * All threads become that user. The one that calls, which is the one that binds, keeps
 * CAP_NET_BIND_SERVICE where it had it: so a reload can listen on low ports. No other thread has
 * any capability, and none can be had by executing a program. Logs nothing.
 */
#pragma once

#include "config/config.h"

#include <stdbool.h>
#include <sys/types.h>

struct privilege {
    bool drops; /* else all stay who they are */
    bool stays; /* as root, without having been told to */
    uid_t uid;
    gid_t gid;
};

/* Becomes this user where there is no `user =` and no service manager. */
#define PRIVILEGE_USER "vsluice"

#define PRIVILEGE_ERROR_BYTES 256

/* Whom to become. 0; or negative errno, and a sentence in `error`. Before any thread starts: from
 * here on nothing that is executed has more rights. */
int privilege_choose(struct privilege *ret, const struct config *config,
                     char error[static PRIVILEGE_ERROR_BYTES]);

/* Becomes that user, for good, where it `drops`. 0; or negative errno, and a sentence in `error`:
 * then the program is not to go on. */
int privilege_drop(const struct privilege *privilege, char error[static PRIVILEGE_ERROR_BYTES]);
