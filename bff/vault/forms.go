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
	// Schema 2.
	c.text(16, &r.Kind)
	c.secret(17, &r.Launch)
	c.flag(18, &r.Framed)
	c.text(19, &r.Browser)
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
	// Schema 2.
	c.text(11, &r.Browser)
	c.text(12, &r.SignsIn)
	c.text(13, &r.Pending)
	c.flag(14, &r.Framed)
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
	// Schema 3.
	c.text(33, &r.Issuer)
	c.text(34, &r.FHIRUser)
	c.text(35, &r.Launch.Kind)
	c.text(36, &r.Launch.Patient)
	c.text(37, &r.Launch.Encounter)
	c.text(38, &r.Launch.Intent)
	c.text(39, &r.Launch.StyleURL)
	c.text(40, &r.Launch.Tenant)
	c.text(41, &r.Launch.Banner)
	nested(c, 42, &r.Launch.References, (*LaunchReference).fields)
	c.texts(43, &r.RefreshScopes)
}

func (r *LaunchReference) fields(c *codec) {
	c.text(1, &r.Reference)
	c.text(2, &r.Canonical)
	c.text(3, &r.Identifier)
	c.text(4, &r.Type)
	c.text(5, &r.Role)
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

func (r *Launch) generation() *uint64 { return &r.Generation }

func (r *Launch) fields(c *codec) {
	c.text(1, &r.Key)
	c.text(2, &r.Platform)
	c.text(3, &r.Issuer)
	c.text(4, &r.Browser)
	c.secret(5, &r.Value)
	c.flag(6, &r.Framed)
	c.time(7, &r.CreatedAt)
	c.time(8, &r.ExpiresAt)
}

func (r *Ticket) generation() *uint64 { return &r.Generation }

func (r *Ticket) fields(c *codec) {
	c.text(1, &r.Key)
	c.secret(2, &r.URL)
	c.secret(3, &r.Flow)
	c.time(4, &r.ExpiresAt)
	c.flag(5, &r.Post)
}

func (r *Link) generation() *uint64 { return &r.Generation }

func (r *Link) fields(c *codec) {
	c.text(1, &r.Key)
	c.text(2, &r.Platform)
	c.text(3, &r.Issuer)
	c.text(4, &r.Subject)
	c.text(5, &r.Practitioner)
	c.text(6, &r.FHIRUser)
	c.time(7, &r.CreatedAt)
}

func (r *SigningKey) generation() *uint64 { return &r.Generation }

func (r *SigningKey) fields(c *codec) {
	c.text(1, &r.ID)
	c.text(2, &r.Platform)
	c.text(3, &r.Algorithm)
	c.secret(4, &r.Private)
	c.time(5, &r.CreatedAt)
	c.time(6, &r.SignsFrom)
	c.time(7, &r.RetireAt)
}

func (r *ServerPin) generation() *uint64 { return &r.Generation }

func (r *ServerPin) fields(c *codec) {
	c.text(1, &r.Platform)
	c.text(2, &r.Base)
	c.text(3, &r.ETag)
	c.text(4, &r.Document)
	c.time(5, &r.FetchedAt)
	c.time(6, &r.CheckedAt)
}
