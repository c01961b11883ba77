package words

// frenchReasons say why an address is no clinic's: platform's codes.
var frenchReasons = Table{
	{"empty", "Indiquez l’adresse de votre clinique."},
	{"too_long", "C’est trop long pour une adresse."},
	{"scheme", "L’adresse doit commencer par https://."},
	{"userinfo", "L’adresse d’une clinique ne contient pas de @."},
	{"port", "L’adresse d’une clinique n’a pas de port, ni « : » suivi d’un nombre."},
	{"path", "Seulement l’adresse, s’il vous plaît : rien après le premier « / »."},
	{"query", "Seulement l’adresse, s’il vous plaît : rien après le « ? »."},
	{"fragment", "Seulement l’adresse, s’il vous plaît : rien après le « # »."},
	{"encoding", "L’adresse d’une clinique ne contient pas de %."},
	{"uppercase", "Écrivez l’adresse en minuscules."},
	{"character", "L’adresse contient un caractère qu’aucune adresse de clinique ne contient. Tapez-la plutôt que de la copier."},
	{"ip_address", "Indiquez le nom de la clinique sur la plateforme, pas un nombre."},
	{"name", "Cette adresse n’est pas complète. Vérifiez l’orthographe."},
	{"not_allowed", "Ce n’est pas l’adresse d’une clinique de cette plateforme. Vérifiez l’orthographe."},
	{"", "Ce n’est pas l’adresse d’une clinique de cette plateforme. Vérifiez l’orthographe."},
}

// frenchCauses say why a connection is not as it should be: tokens' codes.
var frenchCauses = Table{
	{"invalid_grant", "La plateforme ne l’accepte plus. Elle y a été retirée, ou n’a pas servi trop longtemps."},
	{"expired", "Elle n’a pas servi plus longtemps que la plateforme ne la conserve."},
	{"session_ended", "Votre session sur la plateforme est finie : elle est restée inactive trop longtemps, ou y a été fermée."},
	{"session_max", "Votre session sur la plateforme a atteint sa durée la plus longue. Aucune n’y dure davantage, même utilisée."},
	{"logged_out", "Votre session sur la plateforme a été fermée, peut-être dans une autre fenêtre ou par son administrateur."},
	{"detached", "Une autre connexion de la même ouverture de session a pris fin ou a servi deux fois, et la plateforme les a toutes fermées."},
	{"superseded", "La plateforme a vu une clé plus ancienne que la dernière et l’a crue volée. Si cela se répète, prévenez la personne qui exploite ce Locum : une seconde copie tourne peut-être."},
	{"user_disabled", "Votre compte sur la plateforme de la clinique ne peut plus ouvrir de session."},
	{"consent_withdrawn", "La permission donnée à Locum sur la plateforme a été reprise."},
	{"other_client", "Locum a une nouvelle inscription sur la plateforme, et la permission appartenait à l’ancienne."},
	{"lost_answer", "La plateforme a renouvelé l’accès, mais sa réponse n’est jamais parvenue à Locum, et la clé d’avant est consommée."},
	{"restored", "Locum a été remis d’une sauvegarde, et rien ne dit que la clé qu’elle contient soit la dernière."},
	{"no_refresh_token", "L’accès est échu, et la plateforme n’a rien donné pour le renouveler."},
	{"wrong_person", "La plateforme a répondu pour un autre compte. Cette réponse n’a pas servi."},
	{"wrong_clinic", "La plateforme a répondu pour une autre clinique. Cette réponse n’a pas servi."},
	{"bad_token", "La réponse de la plateforme n’a pas passé les contrôles de Locum."},
	{"invalid_client", "La plateforme n’accepte pas les identifiants de Locum lui-même."},
	{"unauthorized_client", "La plateforme ne permet pas à Locum ce genre d’accès."},
	{"invalid_scope", "La plateforme ne connaît pas une permission que Locum demande."},
	{"invalid_request", "La plateforme n’a pas compris la demande de Locum."},
	{"unsupported_grant_type", "La plateforme n’offre pas ce genre d’accès."},
	{"unreachable", "La plateforme n’a pas pu être jointe."},
	{"unavailable", "La plateforme est surchargée ou en réparation."},
	{"no_answer", "La plateforme a reçu la demande et n’a pas répondu. Locum cherche ce qu’il en est advenu avant de redemander."},
	{"storage", "Locum ne peut rien enregistrer pour le moment."},
	{"damaged", "Ce que Locum en gardait est endommagé : rien n’en sert."},
	{"invalid_token", "Le système de la clinique refuse une clé que son propre service d’accès vient de donner."},
	{"unknown_platform", "Cette plateforme n’est plus configurée dans Locum."},
}

// frenchClasses name the endpoint classes of a rate budget.
var frenchClasses = Table{
	{"appointments", "Rendez-vous"},
	{"patients", "Patients"},
	{"staff_members", "Personnel"},
	{"treatments", "Traitements"},
	{"disciplines", "Disciplines"},
	{"locations", "Lieux"},
	{"company", "Données de la clinique"},
	{"observations", "Observations"},
	{"care_plans", "Plans de soins"},
	{"medications", "Médicaments"},
	{"document_uploads", "Documents"},
	{"webhooks", "Notifications"},
	{"extensions", "Extensions"},
	{"catalog_extensions", "Catalogue"},
}

// frenchRefused is englishRefused in French.
var frenchRefused = Table{
	{"login", "Ce nom d’utilisateur ne convient pas. Prenez des lettres, des chiffres et . _ - @ +, 64 au plus."},
	{"name", "Ce nom ne convient pas. Prenez au plus 100 caractères visibles."},
	{"short", "Le mot de passe est trop court : au moins 15 caractères. Quelques mots en font un bon."},
	{"long", "Le mot de passe est trop long : au plus 256 caractères."},
	{"text", "Le mot de passe contient autre chose que du texte."},
	{"common", "Ce mot de passe est de ceux qu’on essaie en premier. Choisissez-en un autre."},
	{"pattern", "Ce mot de passe se répète ou suit une séquence. Choisissez-en un autre."},
	{"personal", "Ce mot de passe est surtout votre nom, votre nom d’utilisateur ou le nom de ce service. Choisissez-en un autre."},
}
