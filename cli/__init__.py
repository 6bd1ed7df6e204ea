"""The command line: thin verbs over flows and db."""
