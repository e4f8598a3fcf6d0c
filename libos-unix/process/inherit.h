/*
 * What a child has of its parent's memory. A parent lists its pages at the fork and makes them read-only; the child binds them when it
 * touches them, under views that the owners' environments granted it. Pages of files are not listed: they come from the file.
 */
#pragma once
#include <stdbool.h>
#include <unix/protocol.h>

/* What is bound in these pages, or with which access, changes: the list of the last fork is wrong there. */
void inherit_note(uint64_t page, uint32_t count);
/* The list of the last fork is to be made anew. */
void inherit_forget(void);
/* All pages that are there become read-only, and a list; false: it is too long, or there is no memory. */
bool inherit_list(struct unix_fork *fork);
/* In the child: what the server told. */
bool inherit_adopt(const struct unix_fork *fork);
/* A page that was there before the fork and was not touched since becomes present, read-only; some behind it may come as well. False: it was not
 * there, or there is no memory for a page table. */
bool inherit_bind(uint64_t page);
/* The frame of such a page and the slot of its view; false: it was not there. */
bool inherit_find(uint64_t page, uint32_t *ret_frame, uint16_t *ret_slot);
/* The first such page in [page, end), or end. */
uint64_t inherit_next(uint64_t page, uint64_t end);
/* The program gives [start, end) up. */
void inherit_drop(uint64_t start, uint64_t end);
