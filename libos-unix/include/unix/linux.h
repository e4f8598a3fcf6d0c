/*
 * The Linux x86-64 interface as far as libos-unix speaks it: numbers, flags and structures of its system calls. Facts of the
 * interface (man-pages, section 2), not code.
 */
#pragma once
#include <stdint.h>

enum errno_value {
    EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, ENOEXEC = 8, EBADF = 9, ECHILD = 10, EAGAIN = 11, ENOMEM = 12,
    EACCES = 13, EFAULT = 14, EBUSY = 16, EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23,
    EMFILE = 24, ENOTTY = 25, EFBIG = 27, ENOSPC = 28, ESPIPE = 29, EROFS = 30, EMLINK = 31, EPIPE = 32, ERANGE = 34,
    EDEADLK = 35, ENAMETOOLONG = 36, ENOLCK = 37, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40, EOVERFLOW = 75, ETIMEDOUT = 110,
};

enum open_flag {
    O_ACCMODE = 3, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_NOCTTY = 0400, O_TRUNC = 01000, O_APPEND = 02000,
    O_NONBLOCK = 04000, O_DIRECTORY = 0200000, O_NOFOLLOW = 0400000, O_CLOEXEC = 02000000, O_PATH = 010000000,
};

enum mode { S_IFMT = 0170000, S_IFIFO = 0010000, S_IFCHR = 0020000, S_IFDIR = 0040000, S_IFREG = 0100000, S_IFLNK = 0120000 };
enum seek { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };
enum rename_flag { RENAME_NOREPLACE = 1 };
enum at_flag { AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_SYMLINK_FOLLOW = 0x400, AT_EMPTY_PATH = 0x1000 };
enum fcntl_command { F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_GETLK = 5, F_SETLK = 6, F_SETLKW = 7,
                     F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_OFD_SETLKW = 38, F_DUPFD_CLOEXEC = 1030, F_GETPIPE_SZ = 1032, FD_CLOEXEC = 1 };
enum lock_type { F_RDLCK, F_WRLCK, F_UNLCK };
enum wait_flag { WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 8, WAIT_FLAGS_OF_LINUX = (int)0xe0000000 /* of threads and clones */ };
enum wait_status { STATUS_STOPPED = 0x7f, STATUS_CONTINUED = 0xffff };
enum protection { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum map_flag { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_TYPE = 15, MAP_FIXED = 16, MAP_ANONYMOUS = 32, MAP_FIXED_NOREPLACE = 0x100000 };
enum remap_flag { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };
enum advice { MADV_DONTNEED = 4, MADV_FREE = 8, MADV_MERGEABLE = 12, MADV_HUGEPAGE = 14, MADV_DONTDUMP = 16, MADV_COLD = 20 };
enum arch_code { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };
enum clone_flag { CLONE_VM = 0x100, CLONE_VFORK = 0x4000, CLONE_THREAD = 0x10000, CLONE_SETTLS = 0x80000,
                  CLONE_PARENT_SETTID = 0x100000, CLONE_CHILD_CLEARTID = 0x200000, CLONE_CHILD_SETTID = 0x1000000 };
enum resource { RLIMIT_FSIZE = 1, RLIMIT_STACK = 3, RLIMIT_NOFILE = 7, RLIMITS = 16 };

struct linux_limit {
    uint64_t soft, hard;
};

enum ioctl_request {
    TCGETS = 0x5401, TCSETS = 0x5402, TCSETSW = 0x5403, TCSETSF = 0x5404, TCSBRK = 0x5409, TCXONC = 0x540a, TCFLSH = 0x540b,
    TIOCSCTTY = 0x540e, TIOCGPGRP = 0x540f, TIOCSPGRP = 0x5410, TIOCOUTQ = 0x5411, TIOCGWINSZ = 0x5413, TIOCSWINSZ = 0x5414,
    FIONREAD = 0x541b, FIONBIO = 0x5421, TIOCNOTTY = 0x5422, TCSBRKP = 0x5425, TIOCGSID = 0x5429, FIONCLEX = 0x5450, FIOCLEX = 0x5451,
};

/* The terminal as programs set it (man-pages: termios(3), ioctl_tty(2)). */
struct linux_termios {
    uint32_t input, output, control, local;
    uint8_t line, characters[19];
};
_Static_assert(sizeof(struct linux_termios) == 36, "struct termios");

/* A lock of a part of a file (fcntl(2), "Advisory record locking"). */
struct linux_lock {
    int16_t type, whence;
    uint32_t pad;
    int64_t start, size;
    int32_t pid;
    uint32_t pad2;
};
_Static_assert(sizeof(struct linux_lock) == 32, "struct flock");

struct linux_window_size {
    uint16_t rows, columns, x, y;
};

enum termios_input { ISTRIP = 040, INLCR = 0100, IGNCR = 0200, ICRNL = 0400, IXON = 02000, IUTF8 = 040000 };
enum termios_output { OPOST = 1, ONLCR = 4 };
enum termios_local { ISIG = 1, ICANON = 2, ECHO = 010, ECHOE = 020, ECHOK = 040, ECHONL = 0100, NOFLSH = 0200, TOSTOP = 0400,
                     ECHOCTL = 01000, ECHOKE = 04000, IEXTEN = 0100000 };
enum termios_character { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSTART = 8, VSTOP, VSUSP, VEOL, VREPRINT, VWERASE = 14, VLNEXT,
                         VEOL2 };

enum signal {
    SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11,
    SIGPIPE = 13, SIGALRM = 14, SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20, SIGTTIN = 21, SIGTTOU = 22,
    SIGURG = 23, SIGXFSZ = 25, SIGWINCH = 28, SIGNALS = 64,
};
enum signal_action_flag { SA_NOCLDSTOP = 1, SA_NOCLDWAIT = 2, SA_SIGINFO = 4, SA_RESTORER = 0x4000000, SA_ONSTACK = 0x8000000, SA_RESTART = 0x10000000,
                          SA_NODEFER = 0x40000000, SA_RESETHAND = (int)0x80000000 };
enum signal_how { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
enum signal_code { SI_USER = 0, SI_KERNEL = 0x80, SEGV_MAPERR = 1, SEGV_ACCERR = 2 };

struct linux_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev;
    int64_t size, block_size, blocks;
    int64_t access_s, access_ns, modify_s, modify_ns, change_s, change_ns;
    int64_t unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "struct stat");

enum statx_mask { STATX_BASIC = 0x7ff };

struct linux_statx_time {
    int64_t s;
    uint32_t ns;
    int32_t reserved;
};

struct linux_statx {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, reserved;
    uint64_t ino, size, blocks, attributes_mask;
    struct linux_statx_time access, birth, change, modify;
    uint32_t device[4]; /* major and minor: of the device that it is, of that which it is on */
    uint64_t spare[14];
};
_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");

enum { STATFS_TMPFS = 0x01021994 };

struct linux_statfs {
    int64_t type, block_size;
    uint64_t blocks, free, available, files, free_files;
    int32_t id[2];
    int64_t name_length, fragment_size, flags, spare[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "struct statfs");

struct linux_dirent {
    uint64_t ino;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
};

enum poll_event { POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32 };

struct linux_poll {
    int32_t descriptor;
    int16_t events, returned;
};

struct linux_vector {
    uint64_t address, size;
};

struct linux_time {
    int64_t s, ns;
};

struct linux_action {
    uint64_t handler, flags, restorer, mask;
};

enum auxv { AT_NULL, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_FLAGS = 8, AT_ENTRY = 9, AT_UID = 11,
            AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_HWCAP = 16, AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25, AT_EXECFN = 31, AT_SYSINFO_EHDR = 33 };

/* The call numbers that are named in the code; call_list.h has them all. */
enum linux_call {
    LINUX_READ = 0, LINUX_WRITE = 1, LINUX_OPEN = 2, LINUX_CLOSE = 3, LINUX_STAT = 4, LINUX_FSTAT = 5, LINUX_LSTAT = 6, LINUX_LSEEK = 8, LINUX_RT_SIGRETURN = 15,
    LINUX_IOCTL = 16, LINUX_PREAD64 = 17, LINUX_PWRITE64 = 18, LINUX_ACCESS = 21, LINUX_PIPE = 22, LINUX_DUP = 32, LINUX_DUP2 = 33,
    LINUX_FCNTL = 72, LINUX_FSYNC = 74, LINUX_FTRUNCATE = 77, LINUX_GETDENTS64 = 217, LINUX_GETCWD = 79, LINUX_CHDIR = 80, LINUX_FCHDIR = 81,
    LINUX_RENAME = 82, LINUX_MKDIR = 83, LINUX_RMDIR = 84, LINUX_LINK = 86, LINUX_UNLINK = 87, LINUX_SYMLINK = 88, LINUX_READLINK = 89,
    LINUX_CHMOD = 90, LINUX_UMASK = 95, LINUX_GETPPID = 110, LINUX_SETPGID = 109, LINUX_GETPGRP = 111, LINUX_SETSID = 112, LINUX_GETPGID = 121,
    LINUX_GETSID = 124, LINUX_EXIT = 60, LINUX_WAIT4 = 61, LINUX_KILL = 62, LINUX_NANOSLEEP = 35, LINUX_OPENAT = 257, LINUX_MKDIRAT = 258,
    LINUX_NEWFSTATAT = 262, LINUX_UNLINKAT = 263, LINUX_RENAMEAT = 264, LINUX_READLINKAT = 267, LINUX_FACCESSAT = 269, LINUX_UTIMENSAT = 280,
    LINUX_SETITIMER = 38, LINUX_TRUNCATE = 76, LINUX_STATFS = 137, LINUX_FSTATFS = 138, LINUX_MKNODAT = 259, LINUX_PRCTL = 157, LINUX_PRLIMIT64 = 302,
    LINUX_DUP3 = 292, LINUX_PIPE2 = 293, LINUX_FCHMOD = 91, LINUX_FCHOWN = 93, LINUX_FCHOWNAT = 260, LINUX_POLL = 7, LINUX_FCHMODAT = 268,
};
