using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>
/// Images within tars, found by reading the members' headers once; nothing is unpacked. The class is the text of the member
/// <c>KEY.cls</c> beside <c>KEY.jpg</c> (WebDataset), or else the name of the member's folder.
/// </summary>
internal static class TarMembers
{
    /// <summary>Lists the images of one split.</summary>
    /// <param name="files">The data set.</param>
    /// <param name="names">Names of the split's tars.</param>
    /// <param name="split">Only members in folders of a folder of this name; null: all.</param>
    /// <exception cref="LatheException">A tar cannot be read, is damaged or has a member twice, an image has no class, or a class folder no image.</exception>
    public static LabelledImages Read(ImageSetFiles files, IReadOnlyList<string> names, string? split)
    {
        var images = new List<ImagePlace>();
        var folders = new List<ImagePlace>();
        var numbers = new Dictionary<(string Tar, string Key), int>();
        foreach (var tar in names.Select(name => Path.Combine(files.Root, name)))
        {
            var listing = TarListing.Of(tar, split, files.Remote);
            images.AddRange(listing.Images.Select(image => new ImagePlace(0, tar, image.Name, image.Offset, image.Length)));
            folders.AddRange(listing.Folders.Select(folder => new ImagePlace(0, tar, folder, 0)));
            foreach (var (key, number) in listing.Numbers)
                numbers[(tar, key)] = number;
        }

        if (numbers.Count > 0)
            return new LabelledImages([], [.. images.Select(image => image with { Label = Number(image, numbers) })]);
        var byClass = images.GroupBy(image => Folder(image.Name) ?? throw Unlabelled(image)).ToDictionary(of => of.Key, of => of.ToList());
        foreach (var folder in folders.Where(folder => !byClass.ContainsKey(Path.GetFileName(folder.Name))))
            throw new LatheException($"{folder.Path} holds no image. Expected the class's images (.jpg, .jpeg, .png) right in it. Pack the tar with them, or without this folder.");
        return new LabelledImages(byClass, []);
    }

    private static int Number(ImagePlace image, Dictionary<(string Tar, string Key), int> numbers) =>
        numbers.TryGetValue((image.Container, ImagePlace.Key(image.Name).ToString()), out var number) ? number : throw Unlabelled(image);

    private static LatheException Unlabelled(ImagePlace image) => new(
        $"{image.Path} has no class: expected {ImagePlace.Key(Path.GetFileName(image.Name.AsSpan()))}.cls beside it, or a folder of the class around it.");

    private static string? Folder(string member) => member.Split('/') is [.., not ("." or ""), _] parts ? parts[^2] : null;
}
