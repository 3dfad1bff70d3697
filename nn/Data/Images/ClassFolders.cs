using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>ImageNet's layout: a folder for each class, with its images.</summary>
internal static class ClassFolders
{
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
                    throw new LatheException($"{of} holds no image. Expected the class's images (.jpg, .jpeg, .png) right in it. Put them there, or remove this folder.");
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
