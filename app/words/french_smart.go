package words

var frenchLaunch = Launch{
	Title: "Ouvrir Locum", Asks: "{platform} demande à ouvrir Locum", AsFrom: "Vous venez de votre dossier médical électronique, pour le patient qui y est ouvert.",
	Who: "Vous êtes connecté en tant que {name}.", Nobody: "Personne n’est connecté à Locum ici.",
	NobodyText: "Continuez, et {platform} dira qui vous êtes. Si Locum ne vous connaît pas encore de là, il vous demande de vous connecter une fois.",
	Wants:      "Locum demandera à", Continue: "Continuer", Opening: "Ouverture…", SignIn: "Se connecter d’abord à Locum",
	Framed:    "La connexion s’ouvre dans sa propre fenêtre.",
	Remembers: "Locum ne connaît pas encore votre compte là-bas. Si vous dites oui, {platform} pourra désormais ouvrir Locum pour vous et vous y connecter.",
	Person:    "Chez {platform}, vous êtes {person}.", Here: "Ici, vous êtes connecté en tant que {name}.",
	ThisIsMe: "Oui, les deux, c’est moi", NotMe: "Non, ce n’est pas moi", GoOnAs: "Continuer en tant que {name}", SignOut: "Se déconnecter de Locum",
	Window: "Continuez dans l’autre fenêtre", WindowText: "La connexion s’est ouverte dans sa propre fenêtre. Cette page continue d’elle-même dès que vous y avez terminé.",
	WindowOpen: "Ouvrir la connexion",
}

var frenchChart = Chart{
	Title: "Dossier du patient", Nav: "Dossier", Problems: "Problèmes", Medications: "Médicaments", Allergies: "Allergies et intolérances",
	Measurements: "Mesures", Visit: "Cette visite",
	NoProblems: "Aucun problème n’est inscrit.", NoMedications: "Aucun médicament n’est inscrit.",
	NoAllergies: "Aucune allergie n’est inscrite. Cela ne dit pas qu’il n’y en a pas.", NoMeasurements: "Rien n’a encore été mesuré.",
	NoVisit: "Ce dossier n’a pas été ouvert depuis une visite.",
	NotHere: "Pas autorisé ici : {scope}.", More: "En montrer plus", Incomplete: "Il y en a plus que ce qui est montré ici.",
	Latest: "Dernière valeur", Trend: "Évolution : {name}", TrendText: "{n} valeurs de {first} à {last}, entre {low} et {high}. Les mêmes valeurs sont dans le tableau en dessous.",
	Table: "Toutes les valeurs", Day: "Quand", Measure: "Quoi", Value: "Valeur",
	Since: "depuis {date}", Reaction: "Réaction", Reason: "Motif", NoPatient: "Aucun patient n’a été ouvert",
	NoPatientText: "Locum a été ouvert sans patient. Cherchez-en un ici, ou ouvrez de nouveau Locum depuis le dossier d’un patient.",
	FindPatient:   "Chercher un patient", Only: "Ouvert pour un seul patient", OnlyText: "Cette connexion a été ouverte pour un seul patient ; elle ne permet d’en chercher aucun autre.",
	Open: "Ouvrir le dossier", Ended: "Cette ouverture est terminée",
	EndedText: "Elle valait pour une seule consultation du dossier. Ouvrez de nouveau Locum depuis votre dossier médical électronique, sur le dossier du patient.",
	ByEHR:     "Ouvert depuis le dossier médical électronique.", ByChoice: "Le patient a été choisi sur la plateforme.", ForPatient: "Vaut pour un seul patient : {patient}.", ByEHREnds: "Elle prend fin d’elle-même le {date}.",
	Again: "Ouvrez de nouveau Locum depuis votre dossier médical électronique.", Deceased: "Décès", Unnamed: "Nom non enregistré",
	Unreadable: "Cette partie ne peut pas être montrée", Device: "Les heures sont celles de cet appareil.",
	Unread: Plural{"{n} inscription n’a pas pu être lue et manque ici.", "{n} inscriptions n’ont pas pu être lues et manquent ici."},
	Statuses: Table{
		{"active", "Actif"}, {"recurrence", "Réapparu"}, {"relapse", "Rechute"}, {"inactive", "Inactif"}, {"remission", "En rémission"}, {"resolved", "Résolu"},
	},
	Verifications: Table{
		{"unconfirmed", "Non confirmé"}, {"provisional", "Provisoire"}, {"differential", "À l’étude"}, {"refuted", "Écarté"}, {"presumed", "Présumé"},
	},
	Criticalities: Table{{"low", "Risque faible"}, {"high", "Risque élevé"}, {"unable-to-assess", "Risque non évalué"}},
	Encounters: Table{
		{"planned", "Prévue"}, {"arrived", "Arrivé"}, {"triaged", "Trié"}, {"in-progress", "En cours"}, {"onleave", "En congé"},
		{"finished", "Terminée"}, {"cancelled", "Annulée"}, {"unknown", "État inconnu"},
	},
	MedicationStates: Table{
		{"active", "En cours"}, {"on-hold", "Suspendu"}, {"cancelled", "Annulé"}, {"completed", "Terminé"}, {"stopped", "Arrêté"},
		{"draft", "Brouillon"}, {"unknown", "État inconnu"},
	},
	Preliminary: Table{
		{"registered", "Pas encore de résultat"}, {"preliminary", "Provisoire"}, {"cancelled", "Annulé"}, {"unknown", "État inconnu"},
	},
	Genders: Table{{"male", "Homme"}, {"female", "Femme"}, {"other", "Autre"}, {"unknown", "Inconnu"}},
}

var frenchFinder = Finder{
	Name: "Nom", NameHint: "Nom de famille, prénom ou le début de l’un d’eux", Born: "Date de naissance", Find: "Chercher",
	Needed: "Saisissez un nom d’au moins deux lettres, ou une date de naissance.", None: "Aucun patient trouvé",
	NoneText: "Vérifiez l’orthographe, ou cherchez par la seule date de naissance.", Start: "Cherchez un patient par son nom, sa date de naissance, ou les deux.", More: "En montrer plus",
}

var frenchChoose = Choose{
	Practice: "Cabinet", Server: "Serveur", ServerText: "Il n’y a rien à choisir : cette plateforme est un seul serveur.",
	Context: "Commencer par", ContextNone: "Aucun patient : je le cherche ici", ContextPatient: "Un patient, que je choisis sur la plateforme",
	ContextEncounter: "Une visite, que je choisis sur la plateforme",
	EHR:              "Cette plateforme peut aussi ouvrir Locum d’elle-même, depuis le dossier d’un patient.",
}

var frenchServices = Services{
	Title: "Connexions de l’application", Lead: "Elles appartiennent à Locum lui-même et au compte de personne. Seuls les administrateurs les voient.",
	Empty: "Il n’y en a aucune", EmptyText: "Celui qui exploite ce Locum en ajoute une par « service: » dans le bloc d’une plateforme de la configuration.",
	Scopes: "Autorisations", Operations: "Peut appeler", Fresh: "L’accès est frais encore {time}.", Stale: "L’accès est pris avec le prochain appel.",
	Link: "Connexions de l’application", For: "Pour les administrateurs",
}

var frenchLocked = Locked{
	Title: "Un autre patient est ouvert dans le dossier médical électronique",
	Text:  "Plus rien du patient précédent n’est montré ici, afin que rien ne soit lu ni écrit pour la mauvaise personne.",
	Next:  "Ouvrez de nouveau Locum depuis le dossier médical électronique, sur le dossier du patient qui y est ouvert maintenant.",
}

var frenchFHIR = FHIR{
	See: "Voir {what}", Write: "Voir et modifier {what}", All: "des dossiers entiers", OfApp: "sans personne connectée",
	SeeOne: "Voir {what} du patient", WriteOne: "Voir et modifier {what} du patient", AllOne: "tout le dossier",
	Things: Table{
		{"Patient", "les données d’identité"}, {"Practitioner", "les praticiens"}, {"Encounter", "les visites"}, {"Observation", "les mesures"},
		{"Condition", "les problèmes"}, {"MedicationRequest", "les médicaments"}, {"AllergyIntolerance", "les allergies"}, {"Appointment", "les rendez-vous"},
		{"Organization", "les données du cabinet"}, {"Location", "les lieux"}, {"DiagnosticReport", "les comptes rendus"}, {"DocumentReference", "les documents"},
		{"Immunization", "les vaccinations"}, {"Procedure", "les actes"}, {"CarePlan", "les plans de soins"}, {"Medication", "les médicaments"},
	},
}

// frenchRefusals say why a platform refused a call, by the proxy's reason.
var frenchRefusals = Table{
	{"invalid", "Le dossier médical électronique n’a pas compris la demande."},
	{"not_found", "Le dossier médical électronique ne connaît pas cette fiche."},
	{"deleted", "Cette fiche a été supprimée dans le dossier médical électronique."},
	{"forbidden", "Votre compte n’a pas le droit de voir cela dans le dossier médical électronique."},
	{"conflict", "Quelque chose a changé au même moment. Regardez de nouveau, puis recommencez."},
	{"changed", "Quelqu’un a modifié cette fiche entre-temps. Regardez de nouveau, puis recommencez."},
	{"practice_missing", "Le dossier médical électronique n’a pas su de quel cabinet il s’agit. Prévenez celui qui exploite ce Locum."},
	{"global_search", "Le dossier médical électronique ne cherche qu’avec un patient nommé. Précisez la recherche."},
	{"not_registered", "Locum n’est pas enregistré pour cette partie du dossier médical électronique. Prévenez celui qui exploite ce Locum."},
	{"unsupported", "Le dossier médical électronique n’offre pas cela."},
	{"too_costly", "Cette recherche est trop large pour le dossier médical électronique. Précisez-la."},
	{"rejected", "Le dossier médical électronique a refusé."},
	{"wrong_patient", "Le dossier médical électronique a répondu par le dossier d’un autre patient ; rien n’en est montré."},
	{"foreign_page", "La suite de cette liste se trouve ailleurs ; la liste serait incomplète et n’est pas montrée."},
}
