return await Lathe.Coordinator.CoordinatorHost.RunAsync(args);
