/* Calls on names: the text goes to the server through the window. The older calls are the newer ones from the working directory. */
#include "call.h"
#include <exo/text.h>

static const uint64_t here = (uint64_t)AT_FDCWD;

static int64_t path_put(uint32_t n, uint64_t address)
{
    return user_text(WINDOW->path[n], address, PATH_SIZE);
}

/* One path, whose address is a[1]. */
static int64_t path_ask(uint64_t number, const uint64_t a[6])
{
    uint64_t words[7] = { number, a[0], a[1], a[2], a[3], a[4], a[5] };
    int64_t result = path_put(0, a[1]);

    return result < 0 ? result : server_wait(words);
}

int64_t call_openat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_OPENAT, a);
}

int64_t call_open(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_openat((const uint64_t[6]){ here, a[0], a[1], a[2] }, frame);
}

int64_t call_creat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_openat((const uint64_t[6]){ here, a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1] }, frame);
}

int64_t call_fchownat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_FCHOWNAT, a);
}

int64_t call_chown(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_fchownat((const uint64_t[6]){ here, a[0], a[1], a[2] }, frame);
}

int64_t call_lchown(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_fchownat((const uint64_t[6]){ here, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW }, frame);
}

int64_t call_fstatat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = path_ask(LINUX_NEWFSTATAT, a);

    (void)frame;
    if (result < 0)
        return result;
    return user_copy((void *)a[2], WINDOW->data, sizeof(struct linux_stat)) ? -EFAULT : 0;
}

int64_t call_stat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_fstatat((const uint64_t[6]){ here, a[0], a[1] }, frame);
}

int64_t call_lstat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_fstatat((const uint64_t[6]){ here, a[0], a[1], AT_SYMLINK_NOFOLLOW }, frame);
}

int64_t call_faccessat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_FACCESSAT, a);
}

int64_t call_access(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_faccessat((const uint64_t[6]){ here, a[0], a[1] }, frame);
}

int64_t call_mkdirat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_MKDIRAT, a);
}

int64_t call_mkdir(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_mkdirat((const uint64_t[6]){ here, a[0], a[1] }, frame);
}

int64_t call_unlinkat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_UNLINKAT, a);
}

int64_t call_unlink(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_unlinkat((const uint64_t[6]){ here, a[0] }, frame);
}

int64_t call_rmdir(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_unlinkat((const uint64_t[6]){ here, a[0], AT_REMOVEDIR }, frame);
}

int64_t call_fchmodat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_FCHMODAT, a);
}

int64_t call_chmod(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_fchmodat((const uint64_t[6]){ here, a[0], a[1] }, frame);
}

int64_t call_chdir(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_CHDIR, (const uint64_t[6]){ 0, a[0] });
}

/* Two paths, at a[1] and a[3]. */
static int64_t paths_ask(uint64_t number, uint64_t first, uint64_t second, const uint64_t a[6])
{
    uint64_t words[7] = { number, a[0], a[1], a[2], a[3], a[4], a[5] };
    int64_t result = path_put(0, first);

    if (result == 0)
        result = path_put(1, second);
    return result < 0 ? result : server_wait(words);
}

int64_t call_renameat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return paths_ask(LINUX_RENAMEAT, a[1], a[3], a);
}

int64_t call_rename(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_renameat((const uint64_t[6]){ here, a[0], here, a[1] }, frame);
}

int64_t call_link(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return paths_ask(LINUX_LINK, a[0], a[1], (const uint64_t[6]){ here, 0, here });
}

int64_t call_symlink(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return paths_ask(LINUX_SYMLINK, a[0], a[1], (const uint64_t[6]){ 0, here });
}

static int64_t executable_tell(uint64_t target, uint64_t size)
{
    uint64_t length = exo_text_length(runtime.executable);

    if (length > size)
        length = size;
    return user_copy((void *)target, runtime.executable, length) ? -EFAULT : (int64_t)length;
}

int64_t call_readlinkat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = path_ask(LINUX_READLINKAT, a);

    (void)frame;
    if (result == -ENOENT && exo_text_equals(WINDOW->path[0], "/proc/self/exe"))
        return executable_tell(a[2], a[3]);
    if (result > 0 && user_copy((void *)a[2], WINDOW->path[1], (uint64_t)result))
        return -EFAULT;
    return result;
}

int64_t call_readlink(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_readlinkat((const uint64_t[6]){ here, a[0], a[1], a[2] }, frame);
}

int64_t call_truncate(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_TRUNCATE, (const uint64_t[6]){ here, a[0], a[1] });
}

int64_t call_mknodat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return path_ask(LINUX_MKNODAT, a);
}

int64_t call_mknod(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    return call_mknodat((const uint64_t[6]){ here, a[0], a[1], a[2] }, frame);
}

int64_t call_statfs(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = path_ask(LINUX_STATFS, (const uint64_t[6]){ here, a[0] });

    (void)frame;
    if (result < 0)
        return result;
    return user_copy((void *)a[1], WINDOW->data, sizeof(struct linux_statfs)) ? -EFAULT : 0;
}

int64_t call_renameat2(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return a[4] & ~(uint64_t)RENAME_NOREPLACE ? -EINVAL : paths_ask(LINUX_RENAMEAT, a[1], a[3], a);
}

/* a: directory, path, directory, path, flags */
int64_t call_linkat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return a[4] & ~(uint64_t)AT_SYMLINK_FOLLOW ? -EINVAL : paths_ask(LINUX_LINK, a[1], a[3], a);
}

/* a: target, directory, path */
int64_t call_symlinkat(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    (void)frame;
    return paths_ask(LINUX_SYMLINK, a[0], a[2], (const uint64_t[6]){ 0, a[1] });
}

/* a: directory, path, flags, mask, where */
int64_t call_statx(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = path_ask(LINUX_NEWFSTATAT, (const uint64_t[6]){ a[0], a[1], 0, a[2] });
    struct linux_stat stat;

    (void)frame;
    if (result < 0)
        return result;
    memcpy(&stat, WINDOW->data, sizeof stat);
    const struct linux_statx statx = {
        .mask = STATX_BASIC, .block_size = (uint32_t)stat.block_size, .nlink = (uint32_t)stat.nlink, .uid = stat.uid, .gid = stat.gid,
        .mode = (uint16_t)stat.mode, .ino = stat.ino, .size = (uint64_t)stat.size, .blocks = (uint64_t)stat.blocks,
        .access = { stat.access_s, (uint32_t)stat.access_ns, 0 }, .change = { stat.change_s, (uint32_t)stat.change_ns, 0 },
        .modify = { stat.modify_s, (uint32_t)stat.modify_ns, 0 },
        .device = { (uint32_t)(stat.rdev >> 8), stat.rdev & 0xff, (uint32_t)(stat.dev >> 8), stat.dev & 0xff },
    };
    return user_copy((void *)a[4], &statx, sizeof statx) ? -EFAULT : 0;
}

int64_t call_getcwd(const uint64_t a[6], struct exo_upcall_frame *frame)
{
    int64_t result = server_ask(LINUX_GETCWD, 0, 0, 0);

    (void)frame;
    if (result < 0)
        return result;
    if ((uint64_t)result > a[1])
        return -ERANGE;
    return user_copy((void *)a[0], WINDOW->path[0], (uint64_t)result) ? -EFAULT : result;
}
