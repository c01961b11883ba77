package tokens

import (
	"fmt"
	"testing"
	"time"

	"locum/bff/vault"
)

// TestATimelineCounts: equal steps in a row are one, from the first one's parent to the last one's child.
func TestATimelineCounts(t *testing.T) {
	var steps []vault.Step
	begin := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for n := range 12 {
		trigger := triggerKeeper
		if n == 7 {
			trigger = triggerCall
		}
		steps = lengthen(steps, []vault.Step{{At: begin.Add(time.Duration(n) * time.Minute), What: StepRefreshed, Trigger: trigger,
			Parent: fmt.Sprint("t", n), Child: fmt.Sprint("t", n+1)}})
	}
	if len(steps) != 1 {
		t.Fatalf("%d steps for 12 refreshes", len(steps))
	}
	s := steps[0]
	if s.Count != 12 || s.Parent != "t0" || s.Child != "t12" || !s.At.Equal(begin) || !s.Until.Equal(begin.Add(11*time.Minute)) || s.Trigger != triggerSeveral {
		t.Errorf("the run is %+v", s)
	}
	steps = lengthen(steps, []vault.Step{{What: StepFailed, Code: CauseUnreachable}, {What: StepFailed, Code: CauseUnavailable}, {What: StepEnded, Code: CauseInvalidGrant},
		{What: StepEnded, Code: CauseInvalidGrant}})
	if len(steps) != 5 {
		t.Errorf("other causes and landmarks are %d steps, want 5", len(steps))
	}
}

// TestATimelineIsBounded: however long a connection flaps, its timeline takes little, and what tells most stays: how it
// began, what ended and renewed it, and the newest step.
func TestATimelineIsBounded(t *testing.T) {
	steps := lengthen(nil, []vault.Step{{What: StepConnected, Trigger: triggerPractitioner, Child: "first"}})
	routine := []string{CauseUnreachable, CauseUnavailable, CauseBadToken, ""}
	for n := range 5000 {
		s := vault.Step{What: StepFailed, Trigger: triggerKeeper, Code: routine[n%len(routine)]}
		switch {
		case s.Code == "":
			s = vault.Step{What: StepRefreshed, Trigger: triggerCall, Parent: fmt.Sprintf("parent%04d", n), Child: fmt.Sprintf("child%05d", n)}
		case n%97 == 0:
			s = vault.Step{What: StepNoAnswer, Trigger: triggerCall, Code: CauseNoAnswer, Parent: fmt.Sprintf("parent%04d", n)}
		case n%1000 == 501:
			s = vault.Step{What: StepEnded, Code: CauseSessionEnded}
		case n%1000 == 502:
			s = vault.Step{What: StepReconnected, Child: fmt.Sprint(n)}
		}
		steps = lengthen(steps, []vault.Step{s})
		size := 0
		for _, s := range steps {
			size += sizeOf(s)
		}
		if len(steps) > maxSteps || size > maxBytes {
			t.Fatalf("after %d: %d steps, %d bytes", n, len(steps), size)
		}
		if last := steps[len(steps)-1]; last.What != s.What || last.Code != s.Code {
			t.Fatalf("after %d the newest is %+v", n, last)
		}
	}
	kept := map[string]int{}
	for _, s := range steps {
		kept[s.What]++
	}
	if steps[0].What != StepConnected || kept[StepEnded] != 5 || kept[StepReconnected] != 5 || kept[StepNoAnswer] == 0 {
		t.Errorf("what is left: %v", kept)
	}
}

// TestEveryCauseHasARemedy: what can be shown is in the table, with a next step and somebody who can take it.
func TestEveryCauseHasARemedy(t *testing.T) {
	for cause, r := range remedies {
		if r.Next == "" || r.By == "" || (r.Patience > 0) != (r.Late != "") || (r.Next == NextWait) != (r.Patience > 0) {
			t.Errorf("%q: %+v", cause, r)
		}
	}
	if r := remedy(CauseUnreachable, time.Hour); r.Next != tell(SettingNetwork) || r.By != ByOperator {
		t.Errorf("what lasts an hour: %+v", r)
	}
	if r := remedy(CauseUnreachable, time.Minute); r.Next != NextWait || r.By != ByPlatform {
		t.Errorf("what lasts a minute: %+v", r)
	}
}

// TestSince: a state began with the first of the steps that led to it without a success between.
func TestSince(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 22, 9, minute, 0, 0, time.UTC) }
	steps := []vault.Step{
		{At: at(0), What: StepConnected}, {At: at(1), What: StepFailed, Code: CauseUnreachable}, {At: at(2), What: StepRefreshed},
		{At: at(3), What: StepFailed, Code: CauseUnavailable}, {At: at(4), What: StepNoAnswer, Code: CauseNoAnswer}, {At: at(5), What: StepProbed, Code: ProbeInactive},
		{At: at(6), What: StepNoAnswer, Code: CauseNoAnswer},
	}
	for name, c := range map[string]struct {
		steps []vault.Step
		cause string
		want  time.Time
	}{
		"in doubt":             {steps, CauseNoAnswer, at(4)},
		"works":                {steps[:3], "", at(2)},
		"has always worked":    {steps[:1], "", at(0)},
		"nothing of it":        {steps, CauseDamaged, time.Time{}},
		"a timeline that lost": {nil, CauseNoAnswer, time.Time{}},
	} {
		if got := since(c.steps, c.cause); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// BenchmarkStep is what a refresh adds to its transaction for a timeline that is full.
func BenchmarkStep(b *testing.B) {
	var steps []vault.Step
	for n := range 200 {
		steps = lengthen(steps, []vault.Step{{What: StepNoAnswer, Code: fmt.Sprint(n), Parent: "0123456789"}})
	}
	for b.Loop() {
		lengthen(append([]vault.Step(nil), steps...), []vault.Step{{What: StepRefreshed, Parent: "0123456789", Child: "9876543210"}})
	}
	size := 0
	for _, s := range steps {
		size += sizeOf(s)
	}
	b.ReportMetric(float64(size), "bytes")
	b.ReportMetric(float64(len(steps)), "steps")
}
