"""Issues the tokens with which clients listen to Firestore."""
