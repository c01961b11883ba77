package keys_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/keys"
	"locum/bff/oauth"
)

// TestT029RotationWithoutDowntime walks a rotation through: the new key is published at once and signs only when every copy
// of the set has expired; the old one stays for its overlap, and is then gone from the set and from the vault.
func TestT029RotationWithoutDowntime(t *testing.T) {
	const cache, overlap = 15 * time.Minute, 20 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		first := s.create(j)
		if first.State != keys.StateSigning || s.signs("j") != first.ID {
			t.Fatalf("the first key is %s, and %q signs", first.State, s.signs("j"))
		}
		time.Sleep(24 * time.Hour)
		second := s.must(keys.Command{Op: keys.OpRotate, Target: j})
		if second.State != keys.StateNext || !second.SignsFrom.Equal(time.Now().Add(cache)) {
			t.Errorf("the second key is %s and signs from %v", second.State, second.SignsFrom)
		}
		for _, step := range []struct {
			after time.Duration
			signs string
			set   []string
		}{
			{0, first.ID, []string{first.ID, second.ID}},
			{cache - time.Nanosecond, first.ID, []string{first.ID, second.ID}},
			{time.Nanosecond, second.ID, []string{first.ID, second.ID}},
			{overlap - time.Nanosecond, second.ID, []string{first.ID, second.ID}},
			{time.Nanosecond, second.ID, []string{second.ID}},
			{1000 * time.Hour, second.ID, []string{second.ID}},
		} {
			time.Sleep(step.after)
			s.restart() // nothing of it is only in memory
			if got := s.signs("j"); got != step.signs {
				t.Errorf("after %v %s signs, want %s", step.after, got, step.signs)
			}
			if got := s.published("j"); !slices.Equal(got, step.set) {
				t.Errorf("after %v the set is %v, want %v", step.after, got, step.set)
			}
		}
		if err := s.Sweep(); err != nil {
			t.Fatal(err)
		}
		if n := s.records(); n != 1 {
			t.Errorf("%d records are left", n)
		}
	})
}

func TestSpareIsTakenByTheNextRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		first, spare := s.create(a), s.create(a)
		if spare.State != keys.StateSpare {
			t.Errorf("the second key is %s", spare.State)
		}
		time.Sleep(10 * time.Minute) // of the hour that copies of the set live
		next := s.must(keys.Command{Op: keys.OpRotate, Target: a})
		if next.ID != spare.ID || !next.SignsFrom.Equal(spare.CreatedAt.Add(time.Hour)) {
			t.Errorf("%s signs from %v, want the spare %s an hour after it was made", next.ID, next.SignsFrom, spare.ID)
		}
		time.Sleep(time.Hour)
		if got := s.signs("a"); got != spare.ID {
			t.Errorf("%s signs, want %s; %s was first", got, spare.ID, first.ID)
		}
		time.Sleep(2 * time.Hour)
		third := s.create(a)
		time.Sleep(2 * time.Hour)
		if now := s.must(keys.Command{Op: keys.OpRotate, Target: a}); now.ID != third.ID || now.State != keys.StateSigning || s.signs("a") != third.ID {
			t.Errorf("a spare that everybody knows is %s, and %s signs", now.State, s.signs("a"))
		}
		if n := s.records(); n != 2 {
			t.Errorf("%d records: an operation takes away what has left", n)
		}
	})
}

// TestImportedByHand: the operator says when, may change their mind, and may give it up.
func TestImportedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		first := s.create(j)
		day := 24 * time.Hour
		next := s.must(keys.Command{Op: keys.OpRotate, Target: j, SignIn: &day})
		time.Sleep(day - time.Second)
		if s.signs("j") != first.ID {
			t.Error("the next key signs before its day")
		}
		if _, err := s.Run(keys.Command{Op: keys.OpRotate, Target: j}); !errors.Is(err, keys.ErrRotating) {
			t.Errorf("a rotation during a rotation: %v", err)
		}
		again := s.must(keys.Command{Op: keys.OpRotate, Target: j, SignIn: &day})
		if again.ID != next.ID {
			t.Errorf("another moment made another key: %s", again.ID)
		}
		time.Sleep(day - time.Second)
		if s.signs("j") != first.ID || !slices.Contains(s.published("j"), first.ID) {
			t.Error("the first key left at the moment that was chosen first")
		}
		s.must(keys.Command{Op: keys.OpRetire, Target: j, Key: next.ID})
		time.Sleep(1000 * time.Hour)
		if got := s.published("j"); !slices.Equal(got, []string{first.ID}) || s.signs("j") != first.ID {
			t.Errorf("a rotation that was given up leaves %v, and %q signs", got, s.signs("j"))
		}
		now := time.Duration(0)
		if third := s.must(keys.Command{Op: keys.OpRotate, Target: j, SignIn: &now}); third.State != keys.StateSigning || s.signs("j") != third.ID {
			t.Errorf("a key that signs at once is %s", third.State)
		}
	})
}

func TestRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		retire := func(kid string, now bool) error {
			_, err := s.Run(keys.Command{Op: keys.OpRetire, Target: j, Key: kid, AtOnce: now})
			return err
		}
		first := s.create(j)
		for _, now := range []bool{false, true} {
			if err := retire(first.ID, now); !errors.Is(err, keys.ErrLast) {
				t.Errorf("the last key: %v", err)
			}
		}
		second := s.create(j)
		if err := retire(first.ID, false); !errors.Is(err, keys.ErrSoon) || s.signs("j") != first.ID {
			t.Errorf("a successor that nobody knows yet: %v", err)
		}
		time.Sleep(15 * time.Minute)
		if err := retire(first.ID, false); err != nil || s.signs("j") != second.ID {
			t.Errorf("%v, and %s signs", err, s.signs("j"))
		}
		if got := s.published("j"); len(got) != 2 {
			t.Errorf("what it has signed is verified by %v", got)
		}
		third := s.create(j)
		if err := retire(second.ID, true); err != nil || s.signs("j") != third.ID {
			t.Errorf("a key that is not only ours: %v, and %s signs", err, s.signs("j"))
		}
		if got := s.published("j"); slices.Contains(got, second.ID) || !slices.Contains(got, third.ID) {
			t.Errorf("it is still published: %v", got)
		}
		if err := retire(first.ID, true); err != nil || slices.Contains(s.published("j"), first.ID) {
			t.Errorf("one that was leaving: %v, %v", err, s.published("j"))
		}
		fourth := s.create(j)
		if err := retire(fourth.ID, false); err != nil || len(s.published("j")) != 1 {
			t.Errorf("a spare: %v, %v", err, s.published("j"))
		}
	})
}

// TestAlgorithmChanges: what signs is the key, not the configuration; the next rotation makes one of the other algorithm.
func TestAlgorithmChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.create(j)
		s.create(j)
		s.all[0].Auth.Algorithm = keys.RS384
		if key, err := s.Signer("j"); err != nil || key.Algorithm != keys.ES384 {
			t.Errorf("it signs with %s: %v", key.Algorithm, err)
		}
		next := s.must(keys.Command{Op: keys.OpRotate, Target: j, Bits: 2048})
		if next.Algorithm != keys.RS384 || len(s.published("j")) != 3 {
			t.Errorf("the next key is for %s, of %d", next.Algorithm, len(s.published("j")))
		}
		time.Sleep(15 * time.Minute)
		if key, err := s.Signer("j"); err != nil || key.Algorithm != keys.RS384 || key.ID != next.ID {
			t.Errorf("it signs with %s: %v", key.Algorithm, err)
		}
	})
}

// TestClockSetBack: there is always something to sign with, and it is published.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		first := s.create(j)
		s.must(keys.Command{Op: keys.OpRotate, Target: j})
		s.edit(first.ID, time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)) // as if it were an hour earlier
		if got := s.signs("j"); got == "" || !slices.Contains(s.published("j"), got) {
			t.Errorf("%q signs, of %v", got, s.published("j"))
		}
	})
}

// TestManyAtOnce: operators and requests at the same time.
func TestManyAtOnce(t *testing.T) {
	s := open(t)
	s.create(j)
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for range 5 {
				if i == 0 {
					_, _ = s.Run(keys.Command{Op: keys.OpCreate, Target: j})
				}
				if key, err := s.Signer("j"); err != nil || key.ID == "" {
					t.Errorf("nothing signs: %v", err)
				}
				if set := s.published("j"); len(set) < 1 || len(set) > keys.Most {
					t.Errorf("%d keys are published", len(set))
				}
			}
		})
	}
	work.Wait()
	if n := s.records(); n != keys.Most {
		t.Errorf("%d records", n)
	}
}

// TestLeftOverKeys: the configuration has turned to another way to authenticate. What is left is listed, makes no new keys, and
// can be taken away to the last one.
func TestLeftOverKeys(t *testing.T) {
	s := open(t)
	first, second := s.create(j), s.create(j)
	s.all[0].Auth = oauth.Auth{Method: oauth.AuthBasic}
	if list, err := s.List(j); err != nil || len(list) != 2 {
		t.Errorf("%d are listed: %v", len(list), err)
	}
	for _, op := range []string{keys.OpCreate, keys.OpRotate, keys.OpExport} {
		now := time.Duration(0)
		if _, err := s.Run(keys.Command{Op: op, Target: j, SignIn: &now}); !errors.Is(err, keys.ErrUnused) {
			t.Errorf("%s: %v", op, err)
		}
	}
	for _, kid := range []string{first.ID, second.ID} {
		s.must(keys.Command{Op: keys.OpRetire, Target: j, Key: kid})
	}
	if n := s.records(); n != 0 {
		t.Errorf("%d records are left", n)
	}
	if _, err := s.List(j); !errors.Is(err, keys.ErrUnused) {
		t.Errorf("nothing is left: %v", err)
	}
}
