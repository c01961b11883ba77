package words

var englishLife = Life{
	Why: "Why was I disconnected, and what now?", Title: "The life of this connection", Back: "All connections",
	Since: "Since {time}", Happened: "What happened", Now: "What to do now", Told: "What Locum did", Lasts: "How long it lasts",
	Tell: "Tell whoever runs this Locum:", Retry: "Locum tries again by itself in {time}.",
	EndsAt:   "It ends on {date}, used or not: the platform lets no sign-in last longer. Reconnect then; or, to avoid a break, sign out at the platform and reconnect before.",
	EndsOpen: "The platform has not said when it ends for good.", Connect: "Connect this clinic again",
	Forgotten: "This account of it is kept until {date}.",
	Story:     "What has happened so far", StoryText: "The newest first, in the time of this device. The short codes stand for keys: they tell one from another and open nothing.",
	NoStory: "Nothing is recorded yet.", Times: "{n} times, the last {time}",
	Copy: "Copy as JSON", Copied: "Copied.", CopyFailed: "This browser did not let Locum copy. Select the text below instead.",
	Did: Table{
		{"connected", "Locum renews it by itself before it runs out."},
		{"refreshing", "Locum is renewing it right now."},
		{"degraded", "Locum keeps the connection and tries again by itself. Nothing is lost."},
		{"needs_reconnect", "Locum has stopped using it. Its place is kept: the clinic, what you allowed, and your pages."},
		{"misconfigured", "Locum keeps the connection. As soon as the setup is repaired it goes on by itself. Nothing is lost."},
		{"ended", "Locum has deleted its keys and stopped using it."},
	},
	Nexts: Table{
		{"none", "Nothing. It works."},
		{"wait", "Nothing. It goes on by itself, and this page shows it."},
		{"reconnect", "Sign in at the clinic’s platform once more. It stays the same connection, and you come back to this page."},
		{"connect", "Connect the clinic again when you need it."},
		{"ask_clinic", "Ask whoever administers your clinic’s platform to let your account sign in again. Then reconnect here."},
		{"tell_operator", "You cannot repair this yourself. Tell whoever runs this Locum:"},
	},
	Settings: Table{
		{"client_secret", "The client secret for {platform} is wrong or has run out. A new one is set with “locum secret set”."},
		{"client", "{platform} has another registration for Locum than the configuration says: the client id, or the right to renew access."},
		{"scopes", "{platform} does not know one of the permissions in the configuration’s “scopes”."},
		{"platforms", "The configuration’s entry for {platform} is missing or does not work any more."},
		{"network", "Locum’s server does not reach {platform}: name resolution, firewall, proxy or certificates on the way out."},
		{"issuer", "What {platform} signs does not fit the configured issuer, or the server’s clock is wrong."},
		{"storage", "Locum cannot write into its data directory: the disk is full, read-only or broken."},
	},
	KeepAlive: Table{
		{"always", "Locum renews it while you are away as well."},
		{"working_hours", "Outside working hours Locum does not renew it."},
		{"signed_in", "Locum renews it while you are signed in here."},
	},
	Contradicts: "Locum is configured for another way than this platform was seen to go, and acts on the stricter one. Whoever runs this Locum should look at its refresh setting.",
	Rotations: Table{
		{"", "How this platform changes its keys is not known yet, so Locum repeats nothing without asking."},
		{"K0", "A renewal leaves the key before it good: a lost answer does no harm here."},
		{"K1", "A renewal spends the key before it: Locum asks the platform before it repeats anything."},
		{"K2", "The key before it stays good for a few repetitions: Locum counts them."},
		{"O0", "The key stays the same at each renewal."},
		{"O1", "The key before it stays good for some seconds: a lost answer is repeated at once."},
	},
	Steps: Table{
		{"connected", "Connected"}, {"reconnected", "Reconnected, as the same connection"}, {"refreshed", "Access renewed"},
		{"recovered", "An answer that was already stored has been read"}, {"failed", "Not renewed"}, {"no_answer", "Asked, and no answer came"},
		{"probed", "The platform was asked whether the key still counts"}, {"replayed", "The same key was presented once more"},
		{"refused", "The clinic’s system refused a fresh key"}, {"kept_back", "Left to rest, as configured"},
		{"learned", "Locum has learned how this platform changes its keys"}, {"forecast", "The platform’s final end became known"},
		{"restored", "Put back from a backup"}, {"damaged", "The stored record does not pass its checks"},
		{"sibling_ended", "Another connection of the same sign-in ended"}, {"ended", "Ended"}, {"disconnected", "Disconnected"},
		{"revoked", "The platform confirmed the withdrawal"}, {"signed_out_there", "The platform ended the sign-in"},
		{"not_revoked", "The platform did not confirm the withdrawal"}, {"diagnosed", "The platform was asked about it"},
	},
	Triggers: Table{
		{"call", "when you asked for something"}, {"refused", "after a refusal"}, {"keeper", "by Locum itself"},
		{"boot", "when Locum started"}, {"practitioner", "by you"}, {"platform", "by the platform"},
		{"operator", "by whoever runs this Locum"}, {"several", "for several reasons"},
	},
	Codes: Table{
		{"spared", "Other connections of the same sign-in live on, so they were spared."}, {"unsupported", "This platform offers no way to do so."},
		{"not_revoked/expired", "It ran out by itself."},
		{"unknown", "It contradicts itself, so it is not relied on."},
		{"active", "It is still good."}, {"inactive", "It is not good any more."}, {"unusable", "The platform’s answer says nothing."},
		{"K0", "Old keys stay good."}, {"K1", "Each key is good once."}, {"K2", "A key may be repeated."}, {"O0", "The key stays the same."},
		{"O1", "Old keys stay good for some seconds."},
		{"revoke", "The platform is asked to withdraw the permission."}, {"end_session", "The platform is asked to end the sign-in."}, {"forget", "The platform is told nothing."},
		{"working_hours", "Outside working hours."}, {"signed_in", "While you are signed out."},
	},
}

var englishAside = Aside{
	KeptText: "This connection has ended. Sign in at the clinic’s platform in a new tab: this page waits, and what you have typed stays in it.",
	Open:     "Sign in in a new tab", Waiting: "Waiting for your sign-in in the other tab…",
	Done: "Connected", DoneText: "Your entry is still in the other tab. Go back to it; you can close this one.",
	Close: "Close this tab", Here: "Go on in this tab", Returned: "{clinic} is connected again. What you typed is still here.",
}

var englishDiagnosis = Diagnosis{
	Title: "What the platform says", Text: "Locum can ask the platform what it thinks of this connection. Nothing changes there.",
	Ask: "Ask the platform now", Asking: "Asking…", AskedAt: "Asked", Answer: "Answer", Access: "What calls use now", Renewal: "What renews it",
	SignIn: "Sign-in", SameSignIn: "The one it was connected in", OtherSignIn: "Another one than it was connected in", Until: "until {time}",
	Clock: "The platform’s clock", Ahead: "{time} ahead of this server", Behind: "{time} behind this server", Even: "Agrees with this server",
	Founds: Table{
		{"active", "Good"}, {"inactive", "Not good any more"}, {"unusable", "It does not say"}, {"none", "There is none"},
		{"unsupported", "This platform cannot be asked."},
	},
}
