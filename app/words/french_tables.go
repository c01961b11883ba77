package words

// frenchReasons say why an address is no clinic's: platform's codes.
var frenchReasons = Table{
	{"empty", "Indiquez l’adresse de votre clinique."},
	{"too_long", "C’est trop long pour une adresse."},
	{"scheme", "L’adresse doit commencer par https://."},
	{"userinfo", "L’adresse d’une clinique ne contient pas de @."},
	{"port", "L’adresse d’une clinique n’a pas de port, ni « : » suivi d’un nombre."},
	{"path", "Seulement l’adresse, s’il vous plaît : rien après le premier « / »."},
	{"query", "Seulement l’adresse, s’il vous plaît : rien après le « ? »."},
	{"fragment", "Seulement l’adresse, s’il vous plaît : rien après le « # »."},
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
	{"invalid_grant", "Elle a été retirée, ou n’a pas servi trop longtemps."},
	{"expired", "Elle n’a pas servi plus longtemps que la plateforme ne la conserve."},
	{"no_refresh_token", "L’accès est échu, et la plateforme n’a rien donné pour le renouveler."},
	{"wrong_person", "La plateforme a répondu pour un autre compte."},
	{"wrong_clinic", "La plateforme a répondu pour une autre clinique."},
	{"bad_token", "La réponse de la plateforme n’a pas passé les contrôles de Locum."},
	{"invalid_client", "La plateforme n’accepte pas les identifiants de Locum lui-même."},
	{"unauthorized_client", "La plateforme ne permet pas à Locum ce genre d’accès."},
	{"invalid_scope", "La plateforme ne connaît pas une permission que Locum demande."},
	{"invalid_request", "La plateforme n’a pas compris la demande de Locum."},
	{"unsupported_grant_type", "La plateforme n’offre pas ce genre d’accès."},
	{"unreachable", "Elle n’a pas pu être jointe."},
	{"unavailable", "Elle est surchargée ou en réparation."},
	{"no_answer", "Elle n’a pas répondu."},
	{"storage", "Locum n’a pas pu enregistrer."},
	{"damaged", "Ce que Locum en gardait est endommagé."},
	{"invalid_token", "Elle refuse une permission qui devrait encore valoir."},
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
	{"short", "Le mot de passe est trop court : au moins 15 caractères. Quelques mots en font un bon."},
	{"long", "Le mot de passe est trop long : au plus 256 caractères."},
	{"text", "Le mot de passe contient autre chose que du texte."},
	{"common", "Ce mot de passe est de ceux qu’on essaie en premier. Choisissez-en un autre."},
	{"pattern", "Ce mot de passe se répète ou suit une séquence. Choisissez-en un autre."},
	{"personal", "Ce mot de passe est surtout votre nom, votre nom d’utilisateur ou le nom de ce service. Choisissez-en un autre."},
}
