package crash_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"locum/shared"
)

// TestT068SmallVolume puts the data directory on a volume of 8 MB that fills while practitioners work, and is emptied
// again: refused is only what finds no room, reads and changes go on when there is some, without a restart, and what was
// acknowledged is there after a kill.
func TestT068SmallVolume(t *testing.T) {
	box := newSandbox(t)
	box.SetLifetimes(3*time.Second, 0)
	box.SetRotation(false) // a full disk loses answers as a kill does; the cycles look at that
	s := newSite(t, box, "ada", "ben")
	smallVolume(t, s)
	sc, book := &score{}, newLedger(t, box)
	people := []*person{newPerson(s, "ada", rand.Uint64(), sc, book), newPerson(s, "ben", rand.Uint64(), sc, book)}
	each := func(do func(*person)) {
		var all sync.WaitGroup
		for _, p := range people {
			p.faulty = true
			all.Go(func() { do(p) })
		}
		all.Wait()
	}
	rounds := 2
	if campaigning(t) {
		rounds = 40
	}
	for range rounds {
		p := s.start().serving()
		each((*person).check)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		filled := make(chan error, 1)
		time.AfterFunc(300*time.Millisecond, func() { filled <- fill(s.path(s.data, "filler")) })
		each(func(p *person) { p.live(ctx) })
		cancel()
		must(t, <-filled)
		must(t, os.Remove(s.path(s.data, "filler")))
		b := s.browser()
		eventually(t, "ready when there is room again", func() bool {
			a, err := b.get(shared.PathReady)
			return err == nil && a.status == http.StatusOK
		})
		for _, one := range people { // without a restart
			one.faulty = false
			if err := one.signIn(nil); err != nil {
				t.Errorf("with room again: %v", err)
			}
		}
		p.kill()
		sc.add(func(s *score) { s.cycles++ })
		book.read(s, s.auditKey())
		s.verify()
	}
	s.start().serving()
	each((*person).check)
	t.Log(sc)
	if sc.refused == 0 {
		t.Error("the volume was never full")
	}
}

// smallVolume moves the data directory of a stopped site to a volume of 8 MB.
func smallVolume(t *testing.T, s *site) {
	t.Helper()
	small := s.path("small")
	must(t, os.Mkdir(small, 0o700))
	if err := syscall.Mount("none", small, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Skipf("no volume can be mounted here, which takes root: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(small, syscall.MNT_DETACH)) })
	entries, err := os.ReadDir(s.path("data"))
	must(t, err)
	for _, entry := range entries {
		b, err := os.ReadFile(s.path("data", entry.Name()))
		must(t, err)
		must(t, os.WriteFile(s.path("small", entry.Name()), b, 0o600))
	}
	s.data = "small"
	s.configure()
}

// fill takes all the room that there is, to the last byte.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}
