package words

var frenchLife = Life{
	Why: "Pourquoi ai-je été déconnecté, et que faire ?", Title: "La vie de cette connexion", Back: "Toutes les connexions",
	Since: "Depuis {time}", Happened: "Ce qui s’est passé", Now: "Que faire maintenant", Told: "Ce que Locum a fait", Lasts: "Combien de temps elle dure",
	Tell: "Dites à la personne qui exploite ce Locum :", Retry: "Locum réessaie de lui-même dans {time}.",
	EndsAt:   "Elle finit le {date}, utilisée ou non : la plateforme ne laisse aucune session durer davantage. Reconnectez-la alors ; ou, pour éviter une coupure, fermez votre session sur la plateforme et reconnectez-la avant.",
	EndsOpen: "La plateforme n’a pas dit quand elle finit pour de bon.", Connect: "Connecter de nouveau cette clinique",
	Forgotten: "Ce récit est conservé jusqu’au {date}.",
	Story:     "Ce qui s’est passé jusqu’ici", StoryText: "Le plus récent d’abord, à l’heure de cet appareil. Les codes courts désignent des clés : ils les distinguent et n’ouvrent rien.",
	NoStory: "Rien n’est encore noté.", Times: "{n} fois, la dernière {time}",
	Copy: "Copier en JSON", Copied: "Copié.", CopyFailed: "Ce navigateur n’a pas laissé Locum copier. Sélectionnez plutôt le texte ci-dessous.",
	Did: Table{
		{"connected", "Locum la renouvelle de lui-même avant qu’elle n’expire."},
		{"refreshing", "Locum est en train de la renouveler."},
		{"degraded", "Locum garde la connexion et réessaie de lui-même. Rien n’est perdu."},
		{"needs_reconnect", "Locum a cessé de s’en servir. Sa place est gardée : la clinique, ce que vous avez permis, et vos pages."},
		{"misconfigured", "Locum garde la connexion. Dès que le réglage est réparé, elle reprend d’elle-même. Rien n’est perdu."},
		{"ended", "Locum a effacé ses clés et cessé de s’en servir."},
	},
	Nexts: Table{
		{"none", "Rien. Elle fonctionne."},
		{"wait", "Rien. Elle reprend d’elle-même, et cette page le montre."},
		{"reconnect", "Ouvrez encore une fois une session sur la plateforme de la clinique. La connexion reste la même, et vous revenez à cette page."},
		{"connect", "Connectez de nouveau la clinique quand vous en aurez besoin."},
		{"ask_clinic", "Demandez à la personne qui administre la plateforme de votre clinique de rouvrir votre compte. Reconnectez-vous ensuite ici."},
		{"tell_operator", "Vous ne pouvez pas réparer cela vous-même. Dites à la personne qui exploite ce Locum :"},
	},
	Settings: Table{
		{"client_secret", "Le secret client pour {platform} est faux ou échu. « locum secret set » en pose un nouveau."},
		{"client", "{platform} a pour Locum une autre inscription que la configuration : l’identifiant client, ou le droit de renouveler l’accès."},
		{"scopes", "{platform} ne connaît pas une des permissions sous « scopes » dans la configuration."},
		{"platforms", "L’entrée de la configuration pour {platform} manque ou ne fonctionne plus."},
		{"network", "Le serveur de Locum n’atteint pas {platform} : résolution de noms, pare-feu, mandataire ou certificats vers l’extérieur."},
		{"issuer", "Ce que {platform} signe ne correspond pas à l’émetteur configuré, ou l’horloge du serveur est fausse."},
		{"storage", "Locum ne peut pas écrire dans son dossier de données : le disque est plein, en lecture seule ou défectueux."},
	},
	KeepAlive: Table{
		{"always", "Locum la renouvelle aussi en votre absence."},
		{"working_hours", "En dehors des heures de travail, Locum ne la renouvelle pas."},
		{"signed_in", "Locum la renouvelle tant que votre session est ouverte ici."},
	},
	Contradicts: "Locum est configuré pour une autre manière que celle observée sur cette plateforme et suit la plus stricte. La personne qui exploite ce Locum devrait revoir son réglage « refresh ».",
	Rotations: Table{
		{"", "On ne sait pas encore comment cette plateforme change ses clés : Locum ne répète rien sans demander."},
		{"K0", "Un renouvellement laisse bonne la clé d’avant : une réponse perdue ne nuit pas ici."},
		{"K1", "Un renouvellement consomme la clé d’avant : Locum demande à la plateforme avant de répéter quoi que ce soit."},
		{"K2", "La clé d’avant reste bonne pour quelques répétitions : Locum les compte."},
		{"O0", "La clé reste la même à chaque renouvellement."},
		{"O1", "La clé d’avant reste bonne quelques secondes : une réponse perdue est répétée aussitôt."},
	},
	Steps: Table{
		{"connected", "Connectée"}, {"reconnected", "Reconnectée, comme la même connexion"}, {"refreshed", "Accès renouvelé"},
		{"recovered", "Une réponse déjà enregistrée a été lue"}, {"failed", "Pas renouvelée"}, {"no_answer", "Demandé, et aucune réponse n’est venue"},
		{"probed", "La plateforme a dit si la clé compte encore"}, {"replayed", "La même clé a été présentée encore une fois"},
		{"refused", "Le système de la clinique a refusé une clé fraîche"}, {"kept_back", "Laissée au repos, comme configuré"},
		{"learned", "Locum a appris comment cette plateforme change ses clés"}, {"forecast", "La fin fixée par la plateforme est connue"},
		{"restored", "Remise d’une sauvegarde"}, {"damaged", "L’enregistrement ne passe pas ses contrôles"},
		{"sibling_ended", "Une autre connexion de la même ouverture de session a pris fin"}, {"ended", "Terminée"}, {"disconnected", "Déconnectée"},
		{"revoked", "La plateforme a confirmé le retrait"}, {"signed_out_there", "La plateforme a fermé la session"},
		{"not_revoked", "La plateforme n’a pas confirmé le retrait"}, {"diagnosed", "La plateforme a été interrogée"},
	},
	Triggers: Table{
		{"call", "quand vous avez demandé quelque chose"}, {"refused", "après un refus"}, {"keeper", "par Locum lui-même"},
		{"boot", "au démarrage de Locum"}, {"practitioner", "par vous"}, {"platform", "par la plateforme"},
		{"operator", "par la personne qui exploite ce Locum"}, {"several", "pour plusieurs raisons"},
	},
	Codes: Table{
		{"spared", "D’autres connexions de la même session vivent encore : elles ont été épargnées."}, {"unsupported", "Cette plateforme n’en offre pas le moyen."},
		{"not_revoked/expired", "Elle a expiré d’elle-même."},
		{"unknown", "Elle se contredit : on ne s’y fie pas."},
		{"active", "Elle est encore bonne."}, {"inactive", "Elle n’est plus bonne."}, {"unusable", "La réponse de la plateforme ne dit rien."},
		{"K0", "Les anciennes clés restent bonnes."}, {"K1", "Chaque clé sert une fois."}, {"K2", "Une clé peut être répétée."}, {"O0", "La clé reste la même."},
		{"O1", "Les anciennes clés restent bonnes quelques secondes."},
		{"revoke", "La plateforme est priée de retirer la permission."}, {"end_session", "La plateforme est priée de fermer la session."}, {"forget", "La plateforme n’en sait rien."},
		{"working_hours", "En dehors des heures de travail."}, {"signed_in", "Tant que votre session est fermée."},
	},
}

var frenchAside = Aside{
	KeptText: "Cette connexion a pris fin. Ouvrez une session sur la plateforme de la clinique dans un nouvel onglet : cette page attend, et ce que vous avez tapé y reste.",
	Open:     "Ouvrir la session dans un nouvel onglet", Waiting: "En attente de votre session dans l’autre onglet…",
	Done: "Connectée", DoneText: "Votre saisie est toujours dans l’autre onglet. Retournez-y ; vous pouvez fermer celui-ci.",
	Close: "Fermer cet onglet", Here: "Continuer dans cet onglet", Returned: "{clinic} est de nouveau connectée. Ce que vous avez tapé est toujours ici.",
}

var frenchDiagnosis = Diagnosis{
	Title: "Ce que dit la plateforme", Text: "Locum peut demander à la plateforme ce qu’elle pense de cette connexion. Rien n’y change.",
	Ask: "Demander à la plateforme", Asking: "Demande en cours…", AskedAt: "Demandé", Answer: "Réponse", Access: "Ce qui sert maintenant", Renewal: "Ce qui la renouvelle",
	SignIn: "Ouverture de session", SameSignIn: "Celle où elle a été connectée", OtherSignIn: "Une autre que celle où elle a été connectée", Until: "jusqu’au {time}",
	Clock: "L’horloge de la plateforme", Ahead: "{time} d’avance sur ce serveur", Behind: "{time} de retard sur ce serveur", Even: "D’accord avec ce serveur",
	Founds: Table{
		{"active", "Bonne"}, {"inactive", "Plus bonne"}, {"unusable", "Elle ne le dit pas"}, {"none", "Il n’y en a pas"},
		{"unsupported", "Cette plateforme ne peut pas être interrogée."},
	},
}
