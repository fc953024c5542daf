/* What both ways of asking for a machine's CID share. For proxy/machine*.c only. */
#pragma once

#include <stdint.h>

int64_t machine_now_ms(void);

/* 0 and the CID; -ENODATA for the one that stands for none, -EPROTO for one that no machine has. */
int machine_take_cid(uint32_t cid, uint32_t *ret_cid);
