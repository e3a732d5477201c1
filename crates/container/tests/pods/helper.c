/* The one program in the tests' root file system: what containers do, in one static binary. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_file(const char *path) {
    char buffer[4096];
    int file = open(path, O_RDONLY);
    if (file < 0) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    ssize_t length;
    fflush(stdout);
    while ((length = read(file, buffer, sizeof buffer)) > 0)
        if (write(1, buffer, length) < 0)
            exit(9);
    close(file);
}

static void on_term(int number) {
    const char text[] = "got a signal\n";
    if (write(1, text, sizeof text - 1) < 0)
        _exit(9);
    _exit(number == SIGTERM ? 42 : 43);
}

int main(int count, char **args) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *what = count > 1 ? args[1] : "";
    const char *first = count > 2 ? args[2] : "";
    if (!strcmp(what, "print")) {
        for (int i = 2; i < count; i++)
            puts(args[i]);
    } else if (!strcmp(what, "both")) {
        puts("to stdout");
        fprintf(stderr, "to stderr\n");
    } else if (!strcmp(what, "exit")) {
        return atoi(first);
    } else if (!strcmp(what, "sleep")) {
        puts("asleep");
        sleep(atoi(first));
    } else if (!strcmp(what, "trap")) {
        signal(SIGTERM, on_term);
        signal(SIGHUP, on_term);
        puts("trapping");
        for (;;)
            pause();
    } else if (!strcmp(what, "eat")) {
        size_t size = atol(first) << 20;
        char *memory = malloc(size);
        for (size_t at = 0; at < size; at += 4096)
            memory[at] = 1;
        puts("ate it all");
    } else if (!strcmp(what, "orphans")) {
        /* Children whose children outlive them: these fall to the namespace's first process. */
        for (int i = 0; i < atoi(first); i++) {
            pid_t child = fork();
            if (child == 0) {
                if (fork() == 0)
                    sleep(1000);
                _exit(0);
            }
            waitpid(child, NULL, 0);
        }
        puts("orphaned");
        sleep(1000);
    } else if (!strcmp(what, "bomb")) {
        puts("ticking");
        for (;;)
            fork();
    } else if (!strcmp(what, "cat")) {
        char buffer[256];
        ssize_t length;
        while ((length = read(0, buffer, sizeof buffer)) > 0)
            if (write(1, buffer, length) < 0)
                return 9;
        puts("end of input");
    } else if (!strcmp(what, "file")) {
        for (int i = 2; i < count; i++)
            print_file(args[i]);
    } else if (!strcmp(what, "env")) {
        printf("%s=%s\n", first, getenv(first) ? getenv(first) : "(unset)");
    } else if (!strcmp(what, "cwd")) {
        puts(getcwd(NULL, 0));
    } else if (!strcmp(what, "host")) {
        char name[256];
        gethostname(name, sizeof name);
        puts(name);
    } else if (!strcmp(what, "write")) {
        int file = open(first, O_WRONLY | O_CREAT, 0644);
        printf("%s\n", file < 0 ? strerror(errno) : "written");
    } else if (!strcmp(what, "unshare")) {
        printf("%s\n", unshare(CLONE_NEWUTS) ? strerror(errno) : "unshared");
    } else if (!strcmp(what, "disk")) {
        /* A node of the first disk may be made, and must not open. */
        mknod("/dev/disk", S_IFBLK | 0600, makedev(atoi(first), 0));
        int file = open("/dev/disk", O_RDONLY);
        printf("%s\n", file < 0 ? strerror(errno) : "opened");
    } else if (!strcmp(what, "tty")) {
        struct winsize size = {0};
        ioctl(0, TIOCGWINSZ, &size);
        printf("%s %dx%d\n", isatty(0) && isatty(1) ? ttyname(0) : "none", size.ws_row, size.ws_col);
    } else if (!strcmp(what, "size")) {
        /* Tells the terminal's size each time it changes, until a line comes. */
        char line[64];
        struct winsize size = {0}, last = {0};
        fcntl(0, F_SETFL, O_NONBLOCK);
        puts("watching");
        while (read(0, line, sizeof line) <= 0) {
            ioctl(0, TIOCGWINSZ, &size);
            if (memcmp(&size, &last, sizeof size))
                printf("size %dx%d\n", size.ws_row, size.ws_col);
            last = size;
            usleep(2000);
        }
    } else if (!strcmp(what, "lines")) {
        for (int i = 0; i < atoi(first); i++)
            printf("line %d of many, long enough to fill a file in a short while\n", i);
    } else if (!strcmp(what, "long")) {
        for (int i = 0; i < atoi(first); i++)
            putchar('x');
        putchar('\n');
    } else if (!strcmp(what, "ids")) {
        gid_t groups[64];
        int number = getgroups(64, groups);
        printf("%d:%d", getuid(), getgid());
        for (int i = 0; i < number; i++)
            printf(" %d", groups[i]);
        puts("");
    } else {
        fprintf(stderr, "unknown: %s\n", what);
        return 99;
    }
    return 0;
}
