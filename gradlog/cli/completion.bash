# Completes command lines of main.py, in bash and in zsh. Read it into the shell, or add this line
# to ~/.bashrc or ~/.zshrc:
#     eval "$(cd GRADLOG; .venv/bin/python main.py --mode=completion)"

if [ -n "${ZSH_VERSION:-}" ]; then
    autoload -U +X compinit && compinit
    autoload -U +X bashcompinit && bashcompinit
fi

_gradlog_words=@WORDS@

# What the word that was begun can become, a line each: a flag to its '=', then its values; a key of
# a configuration section by section.
_gradlog_listed() {
    local begun=$1 word rest
    while IFS= read -r word; do
        case $word in "$begun") continue ;; "$begun"*) ;; *) continue ;; esac
        case $begun in *=*) ;; *) case $word in *=*) word=${word%%=*}= ;; esac ;; esac
        rest=${word#"$begun"}
        case $word in
            --config.*) case ${rest%%=*} in *.*) word=$begun${rest%%.*}. ;; esac ;;
        esac
        printf '%s\n' "$word"
    done <<< "$_gradlog_words" | sort -u
}

# Files for a flag that takes one; few keys of a configuration do.
_gradlog_files() {
    local begun=$1 file
    case $begun in
        --config.data.path=* | --config.data.test_path=* | --config.data.data_dir=*) ;;
        --config.quality.samples=* | --config.quality.inception=* | --config.sampling.mask=*) ;;
        --config.* | --mode=* | --help=*) return ;;
        *=*) ;;
        *) return ;;
    esac
    compgen -f -- "${begun#*=}" | while IFS= read -r file; do
        if [ -d "$file" ]; then file=$file/; fi
        printf '%s\n' "${begun%%=*}=$file"
    done
}

_gradlog() {
    local begun=${COMP_LINE:0:$COMP_POINT} found word IFS=$'\n'
    begun=${begun##*[[:space:]]}
    COMPREPLY=()
    case $COMP_LINE in *main.py*) ;; *) return ;; esac
    case $begun in -*) ;; *) return ;; esac
    found=$(_gradlog_listed "$begun")
    if [ -z "$found" ] || [ "$found" = "$begun" ]; then found=$(_gradlog_files "$begun"); fi
    if [ -z "$found" ]; then return; fi
    case $found in *[=./]) compopt -o nospace 2>/dev/null ;; esac
    # bash takes what follows a '=' for a word of its own.
    case ${COMP_WORDBREAKS:-}:$begun in
        *=*:*=*) found=$(while IFS= read -r word; do printf '%s\n' "${word#*=}"; done <<< "$found") ;;
    esac
    COMPREPLY=($(printf '%s\n' "$found"))
}

# zsh has no compopt: there no word is followed by a space.
if [ -n "${ZSH_VERSION:-}" ]; then
    complete -o nospace -o bashdefault -o default -F _gradlog python python3 main.py
else
    complete -o bashdefault -o default -F _gradlog python python3 main.py
fi
