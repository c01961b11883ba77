package words

// Words is everything that Locum says in one language: a field per place where it is read, a table per vocabulary.
type Words struct {
	Lang string

	Common       Common
	Header       Header
	Home         Home
	Connect      Connect
	Result       Result
	Connections  Connections
	Schedule     Schedule
	Patients     Patients
	Patient      Patient
	Observations Observations
	Life         Life
	Diagnosis    Diagnosis
	Aside        Aside
	Launch       Launch
	Chart        Chart
	Finder       Finder
	Choose       Choose
	Services     Services
	Locked       Locked
	FHIR         FHIR
	Session      Session
	SignIn       SignIn
	Setup        Setup
	Callback     Callback
	Unbuilt      Unbuilt
	NotFound     NotFound

	Problems Explained
	Outcomes Explained

	Scopes            Table
	ConnectionStates  States
	AppointmentStates Table
	Sexes             Table
	PatientStatuses   Table
	Categories        Table
	Measures          Table
	Causes            Table
	Classes           Table
	Refusals          Table
}

// incomparable keeps a struct of sentences from being comparable: the comparison of twenty strings is code that the
// browser would download and never run.
type incomparable [0]func()

// Common is said in many places.
type Common struct {
	_                                           incomparable
	Loading, Cancel, Close, Back, Unknown, None string
	Minutes, Seconds, Hours, Days               Plural
}

// Header is said around every page.
type Header struct {
	_                                                                                                     incomparable
	Product, Skip, Navigation, ClinicNavigation, Home, Connections, Schedule, Patients, SignOut, SignedIn string
	Budget, BudgetOf                                                                                      string
	Attention                                                                                             Plural
}

// Home is the first page.
type Home struct {
	_                                                                                             incomparable
	Title, Hello, EmptyTitle, EmptyText, EmptyAction, EmptyPromise1, EmptyPromise2, EmptyPromise3 string
	Glance                                                                                        Plural
	NoneToday, NextAt, NextNow, DoneToday, OpenSchedule, OpenPatients, Another, Attention         string
}

// Connect is the page where a connection begins.
type Connect struct {
	_                                                                                                         incomparable
	Title, Lead, Platform, Clinic, ClinicHint, ClinicExample, Known, Asks, AsksLater, Safety, Start, Starting string
	NoPlatform, NoPlatformText, ClinicEmpty                                                                   string
	ClinicReasons                                                                                             Table
}

// Result is the page that explains how an authorization ended.
type Result struct {
	Title, Checking, Done, Home, CheckAgain, BackTo string
}

// Connections is the page of a practitioner's grants.
type Connections struct {
	_                                                                                                  incomparable
	Title, Lead, Empty, Granted, More, Excess, ExcessText, Since, Fresh, Stale, Kept, KeptOpen, Budget string
	Reconnect, AllowMore, Disconnect, DisconnectAsk, DisconnectYes, DisconnectNo, Disconnected         string
	Add, Left, Whole, Life, Why, StillWorks, EndsAt, Siblings, Spared, SparedUntil                     string
	Ended                                                                                              Table // by Disconnected.Ending: what became of it
	Endings                                                                                            Table // by Platform.Ending: what disconnecting does
}

// Schedule is the page of one day.
type Schedule struct {
	_                                                                                                                                              incomparable
	Title, Today, Previous, Next, Mine, Everyone, Whose, Empty, EmptyAll, EmptyText, NoColumn, Now, Zone, ZoneDevice, First, Unnamed, UnknownStaff string
	Count, Cancelled                                                                                                                               Plural
	ShowCancelled, HideCancelled                                                                                                                   string
}

// Patients is the list with its search.
type Patients struct {
	_                                                                                            incomparable
	Title, Search, SearchHint, None, NoneFound, Name, Born, Number, Status, Previous, Next, Page string
}

// Patient is the page of one patient.
type Patient struct {
	_                                                                                                                                                                     incomparable
	Title, Banner, Preferred, Born, Age, AgeMonths, Sex, Gender, Pronouns, Number, Status, Since, Guardian, Contact, Upcoming, Past, NoUpcoming, NoPast, Unnamed, AllPast string
}

// Observations are a patient's measurements and findings.
type Observations struct {
	_                                                                                                                                                                            incomparable
	Title, Empty, Add, Allow, Category, Measure, Value, Note, When, Save, Saving, Saved, EditNote, SaveNote, NoteSaved, Trend, Needed, NotNumber, NoteOnly, By, More, TimeNeeded string
	Yes, No                                                                                                                                                                      string
	Readings                                                                                                                                                                     Plural
}

// Life is the page of one connection's whole life. Did, KeepAlive and Rotations are keyed by the wire's codes, Nexts by what
// stands before the colon of a next step and Settings by what stands behind it, Steps by what has happened.
type Life struct {
	_                                                                                             incomparable
	Why, Title, Back, Since, Happened, Now, Tell, Told, Lasts, Retry, EndsAt, EndsOpen, Forgotten string
	Connect, Story, StoryText, NoStory, Times, Copy, Copied, CopyFailed, Contradicts              string
	Did, Nexts, Settings, KeepAlive, Rotations, Steps, Triggers, Codes                            Table
}

// Diagnosis is what a platform says of a connection when it is asked.
type Diagnosis struct {
	_                                                                                           incomparable
	Title, Text, Ask, Asking, AskedAt, Answer, Access, Renewal, SignIn, SameSignIn, OtherSignIn string
	Until, Clock, Ahead, Behind, Even                                                           string
	Founds                                                                                      Table
}

// Aside is said where a sign-in at a platform happens in a tab of its own, because the page keeps something unsaved.
type Aside struct {
	_                                                              incomparable
	KeptText, Open, Waiting, Done, DoneText, Close, Here, Returned string
}

// Session is said about the practitioner's own session.
type Session struct {
	Ending, EndingText, Stay, Connected string
}

// SignIn is the plain page outside the app.
type SignIn struct {
	_ incomparable

	Title, Lead, Login, Password, Submit, Failed, Throttled, Unavailable, DemoTitle, DemoNote, DemoUse, NoScript string
}

// Setup is the plain page where the first account is made, and what leads there.
type Setup struct {
	_ incomparable

	Title, Lead, Code, CodeHint, Name, Login, LoginHint, Password, PasswordHint, Again, Submit string
	WrongCode, Expired, Throttled, Different, Unavailable, Offer, Open                         string
	Refused                                                                                    Table
}

// Callback is the plain page for a return from a platform that cannot be led on, for one in a window of its own (Done), and
// for a way there that needs a form (Leaving).
type Callback struct {
	_ incomparable

	Title, Back, Done, DoneText, Leaving, LeavingText, GoOn string
}

// Unbuilt is the plain page of a server without its WebAssembly half.
type Unbuilt struct{ Title, Text string }

// NotFound is the page for a path that is none.
type NotFound struct{ Title, Text, Home string }
