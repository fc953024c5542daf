/* Whether a test program can run here. */
#pragma once

/* 0, or the negative errno with which what its tests need is refused. */
int refusal(void);
