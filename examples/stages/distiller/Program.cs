using Lathe.Examples.Distiller;
using Lathe.Hosting;

return await StageHost.RunAsync<DistillStage, DistillParameters>(args);
