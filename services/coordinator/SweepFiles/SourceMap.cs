using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>
/// Maps each part of a sweep to the place where it was written: a place in the file, or a command-line option.
/// Parts are named by JSON pointer, as in <see cref="SweepProblem.Path"/>.
/// </summary>
/// <param name="file">The sweep file as the user named it.</param>
internal sealed class SourceMap(string file)
{
    private readonly Dictionary<string, Place> _places = [];
    private readonly Dictionary<string, string> _options = [];

    /// <summary>Folders that are searched for the files of a sweep, for messages.</summary>
    public string Folders => Beside == Here ? Here : $"{Beside} and {Here}";

    private string Beside => Path.GetDirectoryName(Path.GetFullPath(file))!;

    private static string Here => Path.GetFullPath(".");

    /// <summary>A file that the sweep names: relative to the sweep file, or else to the working folder; null if neither exists.</summary>
    /// <param name="name">Path as written.</param>
    public string? FindFile(string name)
    {
        var beside = Path.Combine(Path.GetDirectoryName(file) ?? "", name);
        return File.Exists(beside) ? beside : File.Exists(name) ? name : null;
    }

    public void Add(string pointer, Place place) => _places[pointer] = place;

    /// <summary>Marks a part, including its own parts, as written by this option.</summary>
    public void AddOption(string pointer, string option) => _options[pointer] = option;

    /// <summary>Place in the text of a part, or of the nearest part around it; null: an option wrote it.</summary>
    public Place? PlaceOf(string pointer) => Origin(pointer) is (null, var place) ? place : null;

    /// <summary>One line for the user: place, part and problem.</summary>
    /// <param name="pointer">The part.</param>
    /// <param name="message">The problem, and what was expected.</param>
    public string Line(string pointer, string message)
    {
        var (option, place) = Origin(pointer);
        return option is null ? Line(place, Display(AsWritten(pointer)) + message) : $"--set {option}: {message}";
    }

    /// <summary>One line for the user about a place without a name.</summary>
    public string Line(Place place, string message) => $"{file}:{place.Line}:{place.Column}: {message}";

    /// <summary>All problems of a sweep as one fault, one line each: those of the file by line and column, then those of the options.</summary>
    public LatheException Fault(IEnumerable<SweepProblem> problems) => new(string.Join('\n', problems
        .Select(p => (Origin: Origin(p.Path), Line: Line(p.Path, p.Message)))
        .OrderBy(p => p.Origin.Option is not null).ThenBy(p => p.Origin.Place.Line).ThenBy(p => p.Origin.Place.Column)
        .Select(p => p.Line)));

    /// <summary>The option that wrote a part, or else the place in the file of it or of the nearest part around it.</summary>
    private (string? Option, Place Place) Origin(string pointer)
    {
        pointer = AsWritten(pointer);
        foreach (var part in Upwards(pointer))
            if (_options.TryGetValue(part, out var option)) return (option, default);
        foreach (var part in Upwards(pointer))
            if (_places.TryGetValue(part, out var place)) return (null, place);
        return (null, new Place(1, 1));
    }

    /// <summary>The spec knows lists of models, data sets and seeds where the file may have one; <c>/models/0</c> is <c>/model</c> then.</summary>
    private string AsWritten(string pointer)
    {
        if (_places.ContainsKey(pointer)) return pointer;
        foreach (var (plural, singular) in ((string, string)[])[("/models", "/model"), ("/datasets", "/dataset"), ("/seeds", "/seed")])
        {
            if (pointer != plural && !pointer.StartsWith(plural + "/", StringComparison.Ordinal)) continue;
            var written = singular + pointer[plural.Length..];
            return _places.ContainsKey(written) ? written : singular;
        }

        return pointer;
    }

    /// <summary><c>/stages/1/prune/multiplications</c> -> <c>stages[1].prune.multiplications: </c>.</summary>
    private static string Display(string pointer)
    {
        var text = "";
        foreach (var step in JsonPointer.Steps(pointer))
        {
            if (int.TryParse(step, out _)) text += $"[{step}]";
            else text += (text.Length == 0 ? "" : ".") + step;
        }

        return text.Length == 0 ? "" : text + ": ";
    }

    private static IEnumerable<string> Upwards(string pointer)
    {
        for (var end = pointer.Length; end >= 0; end = end == 0 ? -1 : Math.Max(0, pointer.LastIndexOf('/', end - 1)))
            yield return pointer[..end];
    }
}
