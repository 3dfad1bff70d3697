using System.Formats.Tar;
using System.Globalization;
using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>
/// Images within tars, found by reading the members' headers once; nothing is unpacked. The class is the text of the member
/// <c>KEY.cls</c> beside <c>KEY.jpg</c> (WebDataset), or else the name of the member's folder.
/// </summary>
internal static class TarMembers
{
    /// <summary>Lists the images of one split.</summary>
    /// <param name="root">Folder of the tars.</param>
    /// <param name="names">Their names.</param>
    /// <param name="split">Only members in folders of a folder of this name; null: all.</param>
    /// <exception cref="LatheException">A tar cannot be read or is damaged, or an image has no class.</exception>
    public static LabelledImages Read(string root, IReadOnlyList<string> names, string? split)
    {
        var images = new List<ImagePlace>();
        var numbers = new Dictionary<(string Tar, string Key), int>();
        foreach (var tar in names.Select(name => Path.Combine(root, name)))
            Index(tar, split, images, numbers);
        if (numbers.Count > 0)
            return new LabelledImages([], [.. images.Select(image => image with { Label = Number(image, numbers) })]);
        var byClass = images.GroupBy(image => Folder(image.Name) ?? throw Unlabelled(image));
        return new LabelledImages(byClass.ToDictionary(of => of.Key, of => of.ToList()), []);
    }

    private static void Index(string tar, string? split, List<ImagePlace> images, Dictionary<(string Tar, string Key), int> numbers)
    {
        try
        {
            using var file = File.OpenRead(tar);
            using var reader = new TarReader(file);
            while (reader.GetNextEntry() is { } entry)
            {
                if (entry.EntryType is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile) || !IsOf(entry.Name, split))
                    continue;
                if (ImageSetFiles.IsImage(Path.GetFileName(entry.Name.AsSpan())))
                    images.Add(new ImagePlace(0, tar, entry.Name, entry.DataOffset, entry.Length));
                else if (entry.Name.EndsWith(".cls", StringComparison.Ordinal))
                    numbers[(tar, ImagePlace.Key(entry.Name).ToString())] = ReadNumber(entry, tar);
                if (entry.DataOffset + entry.Length > file.Length)
                    throw new InvalidDataException($"it ends within {entry.Name}");
            }
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new LatheException($"{tar} is damaged: {e.Message}. Get the file again from where the data set is published.", FailureKind.Permanent, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{tar} cannot be read: {e.Message}", FailureKind.Transient, e);
        }
    }

    private static int ReadNumber(TarEntry entry, string tar)
    {
        // The reader of the tar goes on from this stream.
        using var reader = new StreamReader(entry.DataStream ?? Stream.Null, leaveOpen: true);
        var text = entry.Length <= 20 ? reader.ReadToEnd().Trim() : "";
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < 1_000_000
            ? number
            : throw new LatheException($"{tar}:{entry.Name} is '{text}'; expected the number of a class, from 0.");
    }

    private static int Number(ImagePlace image, Dictionary<(string Tar, string Key), int> numbers) =>
        numbers.TryGetValue((image.Container, ImagePlace.Key(image.Name).ToString()), out var number) ? number : throw Unlabelled(image);

    private static LatheException Unlabelled(ImagePlace image) => new(
        $"{image.Path} has no class: expected {ImagePlace.Key(Path.GetFileName(image.Name.AsSpan()))}.cls beside it, or a folder of the class around it.");

    private static string? Folder(string member) => member.Split('/') is [.., not ("." or ""), _] parts ? parts[^2] : null;

    private static bool IsOf(string member, string? split) => split is null || (member.Split('/') is [.., _, _, _] parts && parts[^3] == split);
}
