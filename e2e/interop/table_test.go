package interop_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// table is what a run has shown: a row for each feature, a column for each kind of realm.
type table struct {
	mu      sync.Mutex
	order   []string
	results map[[2]string]string
}

func (b *table) add(feature, kind, result string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.results == nil {
		b.results = map[[2]string]string{}
	}
	if !slices.Contains(b.order, feature) {
		b.order = append(b.order, feature)
	}
	b.results[[2]string{feature, kind}] = result
}

// print writes the table as Markdown, once all of it is there.
func (b *table) print(k *keycloak, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var text strings.Builder
	fmt.Fprintf(&text, "\nLocum against Keycloak %s, %s (started in %.0f s, all in %.0f s)\n\n"+
		"| What | K0: revoke refresh token off | K1: on, reuse 0 | K2: on, reuse 1 |\n|---|---|---|---|\n",
		k.version, time.Now().UTC().Format("2006-01-02 15:04 UTC"), k.took.Seconds(), took.Seconds())
	failed := 0
	for _, feature := range b.order {
		fmt.Fprintf(&text, "| %s |", feature)
		for _, kind := range []string{"K0", "K1", "K2"} {
			result := b.results[[2]string{feature, kind}]
			if result == failedResult {
				failed++
			}
			fmt.Fprintf(&text, " %s |", result)
		}
		text.WriteString("\n")
	}
	fmt.Fprintf(&text, "\n%d passed, %d failed\n", len(b.results)-failed, failed)
	fmt.Fprintln(os.Stdout, text.String())
}

const failedResult = "FAILED"

// feature is one thing to show: its name says what holds, show holds it and gives the figures, which may be none.
type feature struct {
	name string
	show func(t *testing.T, s *site) string
}

// run shows features at one site, one after another, and notes each.
func (b *table) run(t *testing.T, s *site, features []feature) {
	for _, f := range features {
		t.Run(f.name, func(t *testing.T) {
			result := failedResult
			defer func() {
				if t.Failed() {
					result = failedResult
				}
				b.add(f.name, s.realm.kind(), result)
			}()
			result = strings.TrimSuffix("holds: "+f.show(t, s), ": ")
		})
	}
}
