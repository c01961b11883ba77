// Command bench measures what a call through Locum costs, beside proxies that do nothing but pass it on, all in one run on
// one core: processor time by the kernel's own clock of each process, latencies, memory, cold start, a herd at a token's
// end, many stored connections, and the share of a rate limit that is used. It drives the real binary over sockets of this
// machine, ends every process that it started, asserts nothing, and prints a Markdown table. Nothing imports it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "proxy" {
		exit(serveRival(os.Args[2], os.Args[3], os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binary := flag.String("locum", "bin/locum", "the binary to measure")
	dir := flag.String("dir", "", "where the data lies while it is measured; empty: a temporary directory beside the binary")
	flag.Parse()
	exit(run(ctx, *binary, *dir, full, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
