/*
 * Address spaces: page tables and their entries. An entry that binds a frame is in that frame's list of bindings,
 * linked through the shadows of the page tables; its justification is the capability slot noted in it. Only this
 * module writes page tables.
 */
#pragma once
#include <state.h>

enum {
    TABLE_KIND_BASE = EXO_FRAME_TABLE1 - 1, /* a table's kind is this and its level */
    TABLE_KIND_ROOT = TABLE_KIND_BASE + TABLE_LEVELS,
    TABLE_BINDINGS_MAX = 8, /* links to parents and readable views of one page table; counted in its progress */
};

/* 1 up; 0: not a page table. */
uint32_t table_level(const struct exo_frame *info);
/* Clear a present entry: out of its frame's list, out of the table. The caller begins a flush. */
void space_clear_entry(binding_name binding);
/* Does a valid capability of the table's owner still cover what this entry binds and may become? */
bool space_is_justified(binding_name binding);
/* Does it bind a frame readable to look at, rather than link a table to its parent? */
bool space_is_view(binding_name binding);
/* The next binding of the same frame, or 0. */
binding_name space_next_binding(binding_name binding);

/* What one entry of a space_bind batch does. How many frames were bound, or why the first one was not. */
exo_result space_bind(const struct caller *caller, const struct exo_mapping *mapping);
