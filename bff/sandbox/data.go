package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the clinics' zones, on machines without a zone database
)

// clinicData is everything one clinic knows. It is alive: what it shows is a
// pure function of the clinic's name and the sandbox's clock, plus the
// observations that were written to it. Every person in it is made up, and
// looks it.
type clinicData struct {
	spec *clinicSpec
	zone *time.Location

	mu          sync.Mutex
	born        time.Time // midnight, in zone, of the first day anyone looked; what follows is made then
	locations   []location
	disciplines []discipline
	treatments  []treatment
	staff       []staffMember
	patients    []*patient

	today        time.Time // the day that visits was made for
	visits       []*visit
	observations []*observation // nil until somebody asks
	written      int            // observations created through the API
}

// newClinics makes the sandbox's two clinics. They lie in two time zones, one
// of them half an hour off, so that no reader gets away with whole hours.
func newClinics() []*clinic {
	var out []*clinic
	for i := range clinicSpecs {
		spec := &clinicSpecs[i]
		out = append(out, &clinic{key: spec.key, name: spec.name, clinicState: clinicState{data: newClinicData(spec), meter: newMeter()}})
	}
	return out
}

func newClinicData(spec *clinicSpec) *clinicData {
	zone, err := time.LoadLocation(spec.zone)
	if err != nil {
		panic(err) // the zone database is compiled in
	}
	return &clinicData{spec: spec, zone: zone}
}

// newPeople lists who can log in: Robin works at both clinics, Alex and Noor
// at one each. A login is an e-mail address at a reserved name (RFC 2606 §2).
func newPeople() []person {
	at := func(staff string, keys ...string) map[string]string {
		ids := map[string]string{}
		for _, key := range keys {
			ids[key] = staffID(key, staff)
		}
		return ids
	}
	return []person{
		{Login: "robin@example.test", Password: "robin-in-the-sandbox", Name: "Robin Sampleworth",
			Subject: uuid4("subject", "robin"), Staff: at("robin", harbour, maple)},
		{Login: "alex@example.test", Password: "alex-in-the-sandbox", Name: "Alex Testerton",
			Subject: uuid4("subject", "alex"), Staff: at("alex", harbour)},
		{Login: "noor@example.test", Password: "noor-in-the-sandbox", Name: "Noor Exampleson",
			Subject: uuid4("subject", "noor"), Staff: at("noor", maple)},
	}
}

// settle fixes the clinic's first day and makes what hangs on it. The caller
// holds d.mu.
func (d *clinicData) settle(now time.Time) {
	if !d.born.IsZero() {
		return
	}
	d.born = d.midnight(now)
	d.locations, d.disciplines = d.spec.places(d.born), d.spec.fields(d.born)
	d.treatments, d.staff = d.spec.menu(d.born), d.spec.team(d.born)
	d.patients = newPatients(d.spec, d.born)
}

// midnight is the start of now's day at the clinic.
func (d *clinicData) midnight(now time.Time) time.Time {
	y, m, day := now.In(d.zone).Date()
	return time.Date(y, m, day, 0, 0, 0, 0, d.zone)
}

// settled is the clinic with everything that does not change made: locations,
// disciplines, treatments, staff and patients may be read without the lock.
func (d *clinicData) settled(now time.Time) *clinicData {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle(now)
	return d
}

// dice is a random source that gives the same throws for the same words.
func dice(words ...string) *rand.Rand {
	sum := digest(words)
	return rand.New(rand.NewChaCha8(sum))
}

func digest(words []string) [32]byte {
	return sha256.Sum256([]byte(strings.Join(words, "\x00")))
}

// uuid4 looks like a random UUID (RFC 9562 §5.4) and is always the same for
// the same words.
func uuid4(words ...string) string {
	sum := digest(words)
	return formatUUID(sum[:16], 4)
}

// uuid7 carries the time like RFC 9562 §5.7; the rest comes from the words.
func uuid7(at time.Time, words ...string) string {
	sum := digest(words)
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		sum[i] = byte(ms >> (40 - 8*i))
	}
	return formatUUID(sum[:16], 7)
}

func formatUUID(b []byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// isUUID accepts the 8-4-4-4-12 form in either case (RFC 9562 §4).
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
				return false
			}
		}
	}
	return true
}

func staffID(clinic, who string) string { return uuid4(clinic, "staff", who) }

func itoa(n int) string { return strconv.Itoa(n) }

// stamp writes a time as the platform does: UTC, to the second.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stampOr is stamp, or null for the zero time.
func stampOr(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}
