/* The owner of a file as chown(1) takes it: USER, USER:GROUP, :GROUP, by name or number. */
#pragma once

#include <sys/types.h>

#define OWNER_ERROR_BYTES 256

/* What is not named is (uid_t)-1 or (gid_t)-1. Returns 0; -EINVAL with a sentence in `error`: not
 * of that form, or no such user or group; -ENOMEM. */
int owner_parse(const char *text, uid_t *ret_uid, gid_t *ret_gid,
                char error[static OWNER_ERROR_BYTES]);
