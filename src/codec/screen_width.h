#pragma once
/*
 * How many cells libvterm 0.1.4 gives a character; its own tables are not public. Made by feeding it every code point,
 * and a test (unit/codec/screen) compares every code point again.
 */
#include <stdbool.h>
#include <stdint.h>

bool screen_is_wide(uint32_t cp); /* two cells */
bool screen_is_mark(uint32_t cp); /* none: combining marks, and what is invisible */
