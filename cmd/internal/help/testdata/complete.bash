# Prints what bash offers, after sourcing the script $1, for the words that follow it.
# Readline would complete the files and the directories that compopt asks for.
source "$1"
shift
compopt() {
	case $2 in
	default) compgen -f -- "${COMP_WORDS[COMP_CWORD]}" ;;
	dirnames) compgen -d -- "${COMP_WORDS[COMP_CWORD]}" ;;
	esac
}
COMP_WORDS=(momtest "$@")
COMP_CWORD=$#
_momtest
if ((${#COMPREPLY[@]} > 0)); then printf '%s\n' "${COMPREPLY[@]}"; fi
