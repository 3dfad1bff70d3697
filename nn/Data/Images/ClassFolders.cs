using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>ImageNet's layout: a folder for each class, with its images.</summary>
internal static class ClassFolders
{
    /// <summary>What a person should know of images in formats that are not read; null where there are none.</summary>
    /// <param name="folders">Hold the class folders of the splits.</param>
    /// <exception cref="LatheException">A folder cannot be listed.</exception>
    public static string? LeftOut(params IEnumerable<string> folders)
    {
        try
        {
            var others = folders.SelectMany(Directory.EnumerateDirectories).SelectMany(Directory.EnumerateFiles)
                .Where(path => ImageSetFiles.IsOtherImage(Path.GetFileName(path.AsSpan()))).Order(StringComparer.Ordinal).ToList();
            return others.Count == 0 ? null : $"{others.Count} files are of formats that are not read and were left out ({others[0]}{(others.Count > 1 ? ", ..." : "")}); save them as .png, .jpg, .webp or .bmp";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{string.Join(", ", folders)} cannot be listed: {e.Message}", FailureKind.Transient, e);
        }
    }

    /// <summary>Lists the images of one split.</summary>
    /// <param name="folder">Holds the class folders.</param>
    /// <exception cref="LatheException">A class folder holds no image, or a folder cannot be listed.</exception>
    public static LabelledImages Read(string folder)
    {
        try
        {
            var byClass = new Dictionary<string, List<ImagePlace>>();
            foreach (var of in Directory.EnumerateDirectories(folder).Where(path => !Path.GetFileName(path.AsSpan()).StartsWith('.')))
            {
                List<ImagePlace> images =
                [
                    .. Directory.EnumerateFiles(of)
                        .Select(path => Path.GetFileName(path))
                        .Where(name => ImageSetFiles.IsImage(name))
                        .Select(name => new ImagePlace(0, of, name)),
                ];
                if (images.Count == 0)
                    throw new LatheException($"{of} holds no image. Expected the class's images (.jpg, .jpeg, .png, .webp, .bmp) right in it. Put them there, or remove this folder.");
                byClass.Add(Path.GetFileName(of), images);
            }

            return new LabelledImages(byClass, []);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{folder} cannot be listed: {e.Message}", FailureKind.Transient, e);
        }
    }
}
