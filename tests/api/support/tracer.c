/* Stops a running process at one exact system call that changes what lies in a folder.
 *
 *   tracer PID FOLDER count          tells each such call, until the process ends or this program does
 *   tracer PID FOLDER kill N         SIGKILL at the Nth, before it is done
 *   tracer PID FOLDER fail E N       the Nth fails with errno E; with N = 0 all of them do
 *   tracer PID FOLDER fail-sync E N  the same, of fsync, fdatasync and syncfs alone
 *
 * strace counts for each thread alone and follows child processes; this counts over all threads of the one
 * process and leaves its children be. On standard output: `ready` once every thread is held, then a line a call, and
 * `failed N` where it did not succeed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the calls' numbers and registers are those of x86_64"
#endif

enum where { FD, FD3, PATH, TWO_PATHS, AT, AT3, TWO_ATS, OPEN, OPENAT };

struct call {
    long number;
    const char *name;
    enum where where;
};

/* By which argument a call says where: a descriptor, a path, or a folder's descriptor and a path. */
static const struct call calls[] = {
    {SYS_write, "write", FD},          {SYS_pwrite64, "pwrite", FD},     {SYS_writev, "writev", FD},
    {SYS_pwritev, "pwritev", FD},      {SYS_pwritev2, "pwritev2", FD},   {SYS_ftruncate, "ftruncate", FD},
    {SYS_fallocate, "fallocate", FD},  {SYS_fsync, "fsync", FD},         {SYS_fdatasync, "fdatasync", FD},
    {SYS_syncfs, "syncfs", FD},        {SYS_sendfile, "sendfile", FD},
    {SYS_copy_file_range, "copy_file_range", FD3},
    {SYS_fchmod, "fchmod", FD},        {SYS_fchown, "fchown", FD},       {SYS_utimensat, "utimensat", AT},
    {SYS_chmod, "chmod", PATH},        {SYS_fchmodat, "fchmodat", AT},   {SYS_fchownat, "fchownat", AT},
    {SYS_mkdir, "mkdir", PATH},        {SYS_mkdirat, "mkdirat", AT},     {SYS_rmdir, "rmdir", PATH},
    {SYS_unlink, "unlink", PATH},      {SYS_unlinkat, "unlinkat", AT},   {SYS_rename, "rename", TWO_PATHS},
    {SYS_renameat, "renameat", TWO_ATS},    {SYS_renameat2, "renameat2", TWO_ATS}, {SYS_link, "link", TWO_PATHS},
    {SYS_linkat, "linkat", TWO_ATS},        {SYS_symlinkat, "symlinkat", AT3}, {SYS_mknodat, "mknodat", AT},
    {SYS_open, "open", OPEN},          {SYS_openat, "openat", OPENAT},   {SYS_openat2, "openat2", OPENAT},
};

static pid_t process;
static const char *folder;

static void die(const char *what) {
    perror(what);
    exit(70);
}

static int of_descriptor(long descriptor, char *to, size_t size) {
    char link[64];
    if ((int)descriptor == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", process);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", process, (int)descriptor);
    ssize_t length = readlink(link, to, size - 1);
    if (length < 0) return 0;
    to[length] = 0;
    return 1;
}

static ssize_t memory(unsigned long address, void *to, size_t size) {
    struct iovec own = {to, size}, other = {(void *)address, size};
    return process_vm_readv(process, &own, 1, &other, 1, 0);
}

/* A text may end shortly before memory that cannot be read. */
static void text(unsigned long address, char *to, size_t size) {
    for (size_t at = 0; at + 1 < size; at++) {
        if (memory(address + at, to + at, 1) != 1) to[at] = 0;
        if (!to[at]) return;
    }
    to[size - 1] = 0;
}

static int of_path(long base, unsigned long address, char *to, size_t size) {
    char name[2048];
    text(address, name, sizeof name);
    if (name[0] == '/') {
        snprintf(to, size, "%s", name);
        return 1;
    }
    if (!of_descriptor(base, to, size / 2)) return 0;
    if (name[0]) {
        size_t length = strlen(to);
        snprintf(to + length, size - length, "/%s", name);
    }
    return 1;
}

/* Whether the call changes something beneath the folder; tells its name and place. */
static const struct call *changes(const struct __ptrace_syscall_info *info, char *path, char *second, size_t size) {
    const __typeof__(info->entry.args[0]) *args = info->entry.args;
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        const struct call *call = &calls[at];
        if ((long)info->entry.nr != call->number) continue;
        int found = 0;
        unsigned long flags = O_CREAT;
        *second = 0;
        switch (call->where) {
        case FD: found = of_descriptor((long)args[0], path, size); break;
        case FD3: found = of_descriptor((long)args[2], path, size); break;
        case PATH: found = of_path(AT_FDCWD, args[0], path, size); break;
        case AT: found = of_path((long)args[0], args[1], path, size); break;
        case AT3: found = of_path((long)args[1], args[2], path, size); break;
        case OPEN:
            flags = args[1];
            found = of_path(AT_FDCWD, args[0], path, size);
            break;
        case OPENAT:
            if (call->number == SYS_openat2)
                memory(args[2], &flags, sizeof flags);
            else
                flags = args[2];
            found = of_path((long)args[0], args[1], path, size);
            break;
        case TWO_PATHS:
            found = of_path(AT_FDCWD, args[0], path, size);
            of_path(AT_FDCWD, args[1], second, size);
            break;
        case TWO_ATS:
            found = of_path((long)args[0], args[1], path, size);
            of_path((long)args[2], args[3], second, size);
            break;
        }
        int makes = flags & (O_CREAT | O_TRUNC);
        return found && makes && strncmp(path, folder, strlen(folder)) == 0 ? call : NULL;
    }
    return NULL;
}

static int is_sync(const struct call *call) {
    return call->number == SYS_fsync || call->number == SYS_fdatasync || call->number == SYS_syncfs;
}

static int seize(pid_t thread) {
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
    if (ptrace(PTRACE_SEIZE, thread, 0, options) != 0) return 0;
    ptrace(PTRACE_INTERRUPT, thread, 0, 0);
    return 1;
}

/* Again and again, until no thread is found that was not held: they make others meanwhile. */
static void seize_all(void) {
    char tasks[64];
    snprintf(tasks, sizeof tasks, "/proc/%d/task", process);
    for (int fresh = 1; fresh;) {
        fresh = 0;
        DIR *listed = opendir(tasks);
        if (!listed) die("the process");
        for (struct dirent *entry; (entry = readdir(listed));)
            if (entry->d_name[0] != '.' && seize(atoi(entry->d_name))) fresh = 1;
        closedir(listed);
    }
}

/* Calls that were begun and have not ended. */
static struct under_way {
    pid_t thread;
    long number;
    int fails;
} under_way[64];

static struct under_way *find(pid_t thread) {
    for (size_t at = 0; at < sizeof under_way / sizeof *under_way; at++)
        if (under_way[at].thread == thread) return &under_way[at];
    return NULL;
}

static void set_register(pid_t thread, int is_entry, long value) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread, 0, &registers) != 0) return;
    if (is_entry)
        registers.orig_rax = (unsigned long)value;
    else
        registers.rax = (unsigned long)value;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

int main(int count, char **words) {
    if (count < 4) return 64;
    process = atoi(words[1]);
    folder = words[2];
    int kills = !strcmp(words[3], "kill"), fails = !strncmp(words[3], "fail", 4);
    int syncs = !strcmp(words[3], "fail-sync");
    long error = fails ? atol(words[4]) : 0, wanted = kills ? atol(words[4]) : fails ? atol(words[5]) : 0;
    long seen = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    seize_all();
    puts("ready");
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) return errno == ECHILD ? 0 : 71;
        if (!WIFSTOPPED(status)) {
            if (thread == process) return 0;
            continue;
        }
        long signal = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            char path[8192], second[8192];
            const struct call *call;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) continue;
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY && (call = changes(&info, path, second, sizeof path)) &&
                (!syncs || is_sync(call))) {
                seen++;
                const char *to = strncmp(second, folder, strlen(folder)) ? second : second + strlen(folder);
                printf("%ld %s %s%s%s\n", seen, call->name, path + strlen(folder), *to ? " -> " : "", to);
                if (kills && seen == wanted) {
                    kill(process, SIGKILL);
                    return 0;
                }
                struct under_way *call_here = find(0);
                if (!call_here) die("too many threads");
                *call_here = (struct under_way){thread, seen, fails && (wanted == 0 || seen == wanted)};
                if (call_here->fails) set_register(thread, 1, -1);
            } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && find(thread)) {
                struct under_way *ended = find(thread);
                if (ended->fails) set_register(thread, 0, -error);
                if (ended->fails || info.exit.is_error) printf("failed %ld\n", ended->number);
                ended->thread = 0;
            }
        } else if (status >> 16 == 0) {
            signal = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, thread, 0, signal);
    }
}
