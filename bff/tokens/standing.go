package tokens

// Standing is what a call has to know of a connection before it asks for a token.
type Standing struct {
	ID, Platform, Clinic string
	Cause                string // as View's
	Patient              string // whom the connection was launched for; "" where it was not
}

// Standing is Get for each call: a few words instead of the whole view, from memory alone. Errors as Get's.
func (k *Keeper) Standing(practitioner, connection string) (Standing, error) {
	h, ok := k.find(practitioner, connection)
	if !ok {
		return Standing{}, notFound(connection)
	}
	view := &h.now.Load().view
	return Standing{ID: h.id, Platform: h.platform, Clinic: h.clinic, Cause: view.Cause, Patient: view.Launch.Patient}, nil
}
