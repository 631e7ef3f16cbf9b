# Prints what zsh offers for the line in $1, after sourcing the script $2.
zmodload zsh/zpty
zpty z zsh -f -i
setup() {
	PROMPT=; setopt no_beep
	autoload -Uz compinit; compinit -u -D
	source $1
	bindkey '^I' complete-word
	zstyle ':completion:*' list-grouped false
	zstyle ':completion:*' list-separator ''
	compadd() {
		if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
		typeset -a hits
		builtin compadd -A hits "$@"
		local hit
		for hit in $hits; do print -r -- "hit:$IPREFIX$hit"; done
		builtin compadd "$@"
	}
	first() { print begin; }
	last() { print finish; exit; }
	compprefuncs=(first) comppostfuncs=(last)
}
functions setup > /dev/null
zpty -w z "$(functions setup); setup ${(q)2}"
zpty -w -n z "$1"$'\t'
local line on=
while zpty -r z line; do
	line=${${line%$'\n'}%$'\r'}
	case $line in
	*begin) on=1 ;;
	*finish) break ;;
	hit:*) [[ -n $on ]] && print -r -- ${line#hit:} ;;
	esac
done
zpty -d z
