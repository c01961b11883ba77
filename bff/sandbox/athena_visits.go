package sandbox

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func (v *athenaVisit) one() map[string]any {
	return map[string]any{
		"appointmentid": strconv.Itoa(v.number), "patientid": strconv.Itoa(v.chart.number), "providerid": strconv.Itoa(v.provider),
		"departmentid": "1", "date": v.start.Format(athenaDate), "starttime": v.start.Format("15:04"), "duration": v.minutes,
		"appointmentstatus": v.status, "appointmenttype": v.kind, "patient": map[string]any{"firstname": v.chart.first, "lastname": v.chart.last},
	}
}

// oneBooked is GET /appointments/booked: the days and a department or provider are required.
func (f *Face) oneBooked(w http.ResponseWriter, r *http.Request, _ []string) {
	query := r.URL.Query()
	if !oneFields(w, query, "startdate", "enddate") {
		return
	}
	if first(query, "departmentid", "providerid") == "" {
		oneError(w, http.StatusBadRequest, "Additional fields are required.", "One of departmentid and providerid is required.", "missingfields", "departmentid")
		return
	}
	from, err1 := time.Parse(athenaDate, query.Get("startdate"))
	to, err2 := time.Parse(athenaDate, query.Get("enddate"))
	if err1 != nil || err2 != nil || to.Before(from) {
		oneError(w, http.StatusBadRequest, "The dates are invalid.", "startdate and enddate must be MM/DD/YYYY, in this order.")
		return
	}
	f.records.mu.Lock()
	found := []any{}
	for _, v := range f.records.visits {
		if v.chart.practice == Practice && !v.start.Before(from) && v.start.Before(to.AddDate(0, 0, 1)) && v.fits(query) {
			found = append(found, v.one())
		}
	}
	f.records.mu.Unlock()
	onePage(w, r, "appointments", found)
}

func (v *athenaVisit) fits(query url.Values) bool {
	provider, patient := query.Get("providerid"), query.Get("patientid")
	return (provider == "" || provider == strconv.Itoa(v.provider)) && (patient == "" || patient == strconv.Itoa(v.chart.number))
}

// visit finds an appointment of the practice. The caller holds mu.
func (r *records) visit(text string) *athenaVisit {
	for _, v := range r.visits {
		if strconv.Itoa(v.number) == text && v.chart.practice == Practice {
			return v
		}
	}
	return nil
}

// withVisit answers with what read makes of an appointment.
func (f *Face) withVisit(w http.ResponseWriter, id string, read func(*athenaVisit) any) {
	f.records.mu.Lock()
	v := f.records.visit(id)
	var body any
	if v != nil {
		body = read(v)
	}
	f.records.mu.Unlock()
	if v == nil {
		oneError(w, http.StatusNotFound, "The appointment does not exist.", "The Appointment ID is invalid.")
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func (f *Face) oneAppointment(w http.ResponseWriter, _ *http.Request, leaf []string) {
	f.withVisit(w, leaf[1], func(v *athenaVisit) any { return []any{v.one()} })
}

func (f *Face) oneNotes(w http.ResponseWriter, _ *http.Request, leaf []string) {
	f.withVisit(w, leaf[1], func(v *athenaVisit) any {
		notes := []any{}
		for _, n := range v.notes {
			notes = append(notes, map[string]string{"noteid": strconv.Itoa(n.id), "notetext": n.text, "created": n.made})
		}
		return map[string]any{"notes": notes, "totalcount": len(notes)}
	})
}

// oneNewNote is POST /appointments/{id}/notes: each request that arrives writes a note.
func (f *Face) oneNewNote(w http.ResponseWriter, r *http.Request, leaf []string) {
	form, ok := oneForm(w, r, "notetext")
	if !ok {
		return
	}
	now := f.s.now()
	f.withVisit(w, leaf[1], func(v *athenaVisit) any {
		f.records.numbers++
		v.notes = append(v.notes, athenaNote{f.records.numbers, form.Get("notetext"), now.UTC().Format(athenaDate + " 15:04:05")})
		if len(v.notes) > maxForm {
			v.notes = v.notes[1:]
		}
		return map[string]any{"success": true}
	})
}

// Notes lists the notes that were written to athenaOne's appointments, oldest first for each.
func (f *Face) Notes() []string {
	f.records.mu.Lock()
	defer f.records.mu.Unlock()
	var all []string
	for _, v := range f.records.visits {
		for _, n := range v.notes {
			all = append(all, n.text)
		}
	}
	return all
}
