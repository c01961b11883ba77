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

// table is what a run has shown, one row a feature and variant.
type table struct {
	mu   sync.Mutex
	rows [][4]string // feature, variant, result, and the order they are printed in
}

func (b *table) add(order int, feature, variant, result string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, [4]string{feature, variant, result, fmt.Sprintf("%03d %s", order, variant)})
}

// print writes the table as Markdown, once all of it is there.
func (b *table) print(k *keycloak, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.rows, func(a, c [4]string) int { return strings.Compare(a[3], c[3]) })
	var text strings.Builder
	fmt.Fprintf(&text, "\nLocum against Keycloak %s, %s (started in %.0f s, all in %.0f s)\n\n| What | Realm | Result |\n|---|---|---|\n",
		k.version, time.Now().UTC().Format("2006-01-02 15:04 UTC"), k.took.Seconds(), took.Seconds())
	for _, row := range b.rows {
		fmt.Fprintf(&text, "| %s | %s | %s |\n", row[0], row[1], row[2])
	}
	fmt.Fprintln(os.Stdout, text.String())
}

// feature is one thing to show: its name says what holds, show holds it and gives the figures, which may be none.
type feature struct {
	name string
	show func(t *testing.T, s *site) string
}

// run shows a realm's features one after another and notes each.
func (b *table) run(t *testing.T, s *site, features []feature) {
	for i, f := range features {
		t.Run(f.name, func(t *testing.T) {
			result := "FAILED"
			defer func() {
				if t.Skipped() {
					result = "not run"
				} else if t.Failed() {
					result = "FAILED"
				}
				b.add(i, f.name, s.realm.kind()+" ("+s.realm.setting()+")", result)
			}()
			was := s.t
			s.t = t
			defer func() { s.t = was }()
			result = strings.TrimSuffix("holds: "+f.show(t, s), ": ")
		})
	}
}
