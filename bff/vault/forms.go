package vault

// The on-disk form of each record, below its seal: the fields with their tags, written and read by codec in this order.
// A form that was released is never changed: a new field means a new schema version in records.go, a branch here that
// still reads the old one, and a new frozen file in testdata. Generation stands in the value's header (see keyset.go).

func (r *Account) generation() *uint64 { return &r.Generation }

func (r *Account) fields(c *codec) {
	c.text(1, &r.ID)
	c.text(2, &r.Login)
	c.text(3, &r.Name)
	c.secret(4, &r.PasswordHash)
	c.time(5, &r.CreatedAt)
	c.flag(6, &r.Disabled)
	c.count(7, &r.Failures)
	c.time(8, &r.LastFailure)
}

func (r *Session) generation() *uint64 { return &r.Generation }

func (r *Session) fields(c *codec) {
	c.text(1, &r.ID)
	c.text(2, &r.Practitioner)
	c.time(3, &r.CreatedAt)
	c.time(4, &r.LastActive)
}

func (r *Attempt) generation() *uint64 { return &r.Generation }

func (r *Attempt) fields(c *codec) {
	c.text(1, &r.State)
	c.text(2, &r.Platform)
	c.text(3, &r.Clinic)
	c.text(4, &r.Practitioner)
	c.text(5, &r.Session)
	c.text(6, &r.Flow)
	c.text(7, &r.ClientState)
	c.secret(8, &r.Verifier)
	c.secret(9, &r.Nonce)
	c.texts(10, &r.Scopes)
	c.text(11, &r.Connection)
	c.text(12, &r.Context.Page)
	c.pairs(13, &r.Context.Params)
	c.time(14, &r.CreatedAt)
	c.time(15, &r.ExpiresAt)
}

func (r *Outcome) generation() *uint64 { return &r.Generation }

func (r *Outcome) fields(c *codec) {
	c.text(1, &r.Key)
	c.text(2, &r.Practitioner)
	c.text(3, &r.Session)
	c.text(4, &r.Code)
	c.text(5, &r.Platform)
	c.text(6, &r.Clinic)
	c.text(7, &r.Connection)
	c.text(8, &r.Context.Page)
	c.pairs(9, &r.Context.Params)
	c.time(10, &r.ExpiresAt)
}

func (r *Connection) generation() *uint64 { return &r.Generation }

func (r *Connection) fields(c *codec) {
	c.text(1, &r.ID)
	c.text(2, &r.Practitioner)
	c.text(3, &r.Platform)
	c.text(4, &r.Clinic)
	c.text(5, &r.ClinicName)
	c.text(6, &r.Subject)
	c.text(7, &r.SID)
	c.texts(8, &r.Scopes)
	c.texts(9, &r.Requested)
	c.texts(10, &r.Roles)
	c.texts(11, &r.StaffMembers)
	c.text(12, &r.State)
	c.text(13, &r.Cause)
	c.secret(14, &r.Access)
	c.secret(15, &r.Refresh)
	c.time(16, &r.ReceivedAt)
	c.duration(17, &r.ExpiresIn)
	c.duration(18, &r.RefreshExpiresIn)
	c.text(19, &r.Kind)
	c.text(20, &r.Phase)
	c.text(21, &r.Attempt.ID)
	c.time(22, &r.Attempt.SentAt)
	c.text(23, &r.Attempt.Node)
	c.fence(24, &r.Attempt.Fence)
	c.secret(25, &r.Raw)
	c.count(26, &r.RawStatus)
	c.time(27, &r.ConnectedAt)
	c.time(28, &r.RefreshedAt)
	// Schema 2. Absent fields are empty ones, so that a record of schema 1 reads as one without them.
	c.duration(29, &r.WindowMax)
	c.count(30, &r.Reuses)
	c.time(31, &r.EndsAt)
	c.time(32, &r.DoubtSince)
}

func (r *ClientSecret) generation() *uint64 { return &r.Generation }

func (r *ClientSecret) fields(c *codec) {
	c.text(1, &r.Platform)
	c.secret(2, &r.Value)
	c.time(3, &r.SetAt)
}

func (r *Timeline) generation() *uint64 { return &r.Generation }

func (r *Timeline) fields(c *codec) {
	c.text(1, &r.Connection)
	c.text(2, &r.Practitioner)
	c.text(3, &r.Platform)
	c.text(4, &r.Clinic)
	c.time(5, &r.EndedAt)
	nested(c, 6, &r.Steps, (*Step).fields)
}

func (r *Step) fields(c *codec) {
	c.time(1, &r.At)
	c.text(2, &r.What)
	c.text(3, &r.Trigger)
	c.text(4, &r.Code)
	c.text(5, &r.Detail)
	c.text(6, &r.Parent)
	c.text(7, &r.Child)
	c.count(8, &r.Count)
	c.time(9, &r.Until)
}

func (r *Revocation) generation() *uint64 { return &r.Generation }

func (r *Revocation) fields(c *codec) {
	c.text(1, &r.ID)
	c.text(2, &r.Platform)
	c.text(3, &r.Connection)
	c.text(4, &r.Practitioner)
	c.text(5, &r.Clinic)
	c.text(6, &r.Way)
	c.secret(7, &r.Access)
	c.secret(8, &r.Refresh)
	c.secret(9, &r.IDToken)
	c.time(10, &r.CreatedAt)
	c.time(11, &r.NotBefore)
	c.time(12, &r.GiveUpAt)
	c.count(13, &r.Tries)
	c.text(14, &r.SID)
	c.text(15, &r.Subject)
}

func (r *LogoutToken) generation() *uint64 { return &r.Generation }

func (r *LogoutToken) fields(c *codec) {
	c.text(1, &r.Key)
	c.time(2, &r.ExpiresAt)
}

func (r *Authority) generation() *uint64 { return &r.Generation }

func (r *Authority) fields(c *codec) {
	c.text(1, &r.Platform)
	c.text(2, &r.Kind)
	c.count(3, &r.Reuse)
	c.duration(4, &r.Leeway)
	c.time(5, &r.LearnedAt)
	c.time(6, &r.CheckedAt)
	c.text(7, &r.Evidence)
}
